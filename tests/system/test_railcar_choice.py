"""railcar's quirks, one a test: when it is taken. Each fails where the adapter does not mind it.

The runtime is a stand-in that has them all, `railcar_stand_in.py`.
"""

import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model.cgroups import CgroupDriver
from orchestrator.ports import RuntimeFailed
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.doctor_runtimes import find_runtimes
from orchestrator.system.hierarchies import Hierarchy
from orchestrator.system.probe_runtime import choose_runtime
from orchestrator.system.railcar import RailcarRuntime
from tests.system.helpers_runtime import STAND_IN, Bench, open_bench

pytestmark = pytest.mark.real


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What the stand-in was called with."""
    log = tmp_path / "commands"
    monkeypatch.setenv("RAILCAR_STAND_IN_LOG", str(log))
    return lambda: log.read_text().splitlines() if log.exists() else []


@pytest.fixture
async def bench(commands: Callable[[], list[str]], tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench("stand-in", tmp_path) as bench:
        yield bench


async def choose(bench: Bench, folder: Path, wanted: str, **how: Any) -> RailcarRuntime:  # noqa: ANN401 - its arguments
    runtime = await choose_runtime(
        wanted,
        **{
            "root": bench.runtime.root,
            "scratch": f"{folder}/probe",
            "parent_group": bench.group,
            "children": bench.children,
            "cgroups": bench.cgroups,
            "say": print,
            "environ": {**os.environ, "PATH": f"{folder}/bin:/usr/bin:/bin"},
            **how,
        },
    )
    assert isinstance(runtime, RailcarRuntime)
    return runtime


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "bin" / "railcar"
    path.parent.mkdir()
    path.symlink_to(STAND_IN)
    return str(path)


async def test_it_is_taken_by_name_and_by_path_with_groups_of_its_own(
    bench: Bench, tmp_path: Path, program: str
) -> None:
    for wanted in ("railcar", program):
        runtime = await choose(bench, tmp_path, wanted, drivers=(CgroupDriver.SYSTEMD, CgroupDriver.CGROUPFS))
        assert (runtime.command, runtime.version) == (program, "Railcar 1.0.4")
        assert runtime.driver is CgroupDriver.CGROUPFS


async def test_auto_never_takes_it(
    bench: Bench, tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch, commands: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr("orchestrator.system.probe_runtime.CANDIDATES", ())
    with pytest.raises(RuntimeFailed, match="no OCI runtime works on this host"):
        await choose(bench, tmp_path, "auto", preferred=(program,))
    assert commands() == []


@pytest.mark.parametrize("groups", [(Hierarchy(2, "/sys/fs/cgroup", frozenset()),), ()], ids=["v2", "none"])
async def test_without_groups_of_version_1_it_is_refused_and_not_tried(
    bench: Bench, tmp_path: Path, program: str, commands: Callable[[], list[str]], groups: tuple[Hierarchy, ...]
) -> None:
    said = f"{program}: it knows control groups of version 1 only, and this host has no cpuset of that version"
    with pytest.raises(RuntimeFailed, match=re.escape(said)) as caught:
        await choose(bench, tmp_path, program, cgroups=Cgroups(groups))
    assert "\n" not in str(caught.value)
    assert [command for command in commands() if "create" in command] == []


def test_the_doctor_tells_of_it_where_it_is(tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    assert [trial.command for trial in find_runtimes(("crun", "railcar"))][1:] == [program]
    assert [trial.name for trial in find_runtimes(("crun",))] == ["crun", "railcar"]
    assert [trial.name for trial in find_runtimes((program,))] == [program]
    Path(program).unlink()
    assert [trial.name for trial in find_runtimes(("crun",))] == ["crun"]
