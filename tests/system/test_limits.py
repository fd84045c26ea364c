"""How many descriptors a process may have, and a container of it, tried in processes of their own."""

import json
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from attrs import evolve

from orchestrator.core.render import render_instance
from orchestrator.model.bundle import HostLimits, Instance, OpenFiles
from orchestrator.system.limits import descriptor_limit, raise_descriptor_limit
from tests.system.helpers_runtime import Bench, Program, open_bench

RAISE = """
import json, resource
from orchestrator.system.limits import raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, {limits})
before = raise_descriptor_limit()
print(json.dumps([[before.soft, before.hard], resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""
COUNT = """
import os, resource
from orchestrator.system.limits import are_descriptors_left, descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
held = os.listdir("/proc/self/fd")
free = 40 - (len(held) - 1)
assert are_descriptors_left(free) and not are_descriptors_left(free + 1)
assert are_descriptors_left(free), "none is kept"
assert descriptor_limit() == 40
"""


def run_python(text: str) -> str:
    done = subprocess.run((sys.executable, "-c", text), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("soft", "hard"), [(256, 512), (512, 512)])
def test_the_soft_limit_becomes_the_hard_one_and_what_it_was_is_told(soft: int, hard: int) -> None:
    assert json.loads(run_python(RAISE.format(limits=(soft, hard)))) == [[soft, hard], [hard, hard]]


def test_whether_so_many_can_be_opened() -> None:
    run_python(COUNT)


@pytest.fixture(params=["runc", "crun"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(request.param, tmp_path) as bench:
        yield bench


@pytest.fixture
def modest_limit() -> Iterator[OpenFiles]:
    """This process with a soft limit below its hard one, as a service of systemd has it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    modest = OpenFiles(1024, before[1])
    assert modest.soft < modest.hard, "the tests need a hard limit above 1024: ulimit -Hn"
    resource.setrlimit(resource.RLIMIT_NOFILE, (modest.soft, modest.hard))
    yield modest
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.real
async def test_a_container_has_the_limits_that_the_agent_was_started_with(
    bench: Bench, modest_limit: OpenFiles
) -> None:
    started_with = raise_descriptor_limit()
    assert started_with == modest_limit
    assert descriptor_limit() == modest_limit.hard
    instance = bench.make_instance(Program.EXITS_0)
    config = {**instance.bundle.config}
    config["process"] = {**config["process"], "args": ["/bin/sh", "-c", "ulimit -Sn; ulimit -Hn"]}
    instance = evolve(
        instance, bundle=evolve(instance.bundle, config=config), host_limits=HostLimits(open_files=started_with)
    )
    write_config(instance)
    process = await bench.run(instance)
    assert (await process.wait()).success
    process.close()
    assert read_output(instance) == [str(modest_limit.soft), str(modest_limit.hard)]
    await bench.remove(instance)


def write_config(instance: Instance) -> None:
    Path(instance.folder, "config.json").write_text(render_instance(instance))


def read_output(instance: Instance) -> list[str]:
    return Path(instance.log).read_text().split()
