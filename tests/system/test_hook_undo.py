"""A create whose hook does not come back is undone whole, the hook and what it has started included."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from orchestrator.ports import RuntimeFailed
from orchestrator.system import runtime as runtime_module
from tests.system.helpers_runtime import Bench, Program, open_bench, unchanged_host

pytestmark = pytest.mark.real


@pytest.fixture(params=["runc", "crun"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(request.param, tmp_path) as bench:
        yield bench


@pytest.mark.parametrize("stage", ["prestart", "createRuntime", "createContainer"])
async def test_a_hook_that_hangs_is_ended_with_its_create(
    bench: Bench, tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_module, "CREATE_DEADLINE", 3.0)
    mark = f"1{abs(hash(str(tmp_path))) % 10**8}"  # an argument that no other process on the host has
    hook = tmp_path / "hook.sh"
    hook.write_text(f"#!/bin/sh\nsleep {mark} &\nwait\nsleep {mark}\n")
    hook.chmod(0o755)
    instance = bench.make_instance(Program.STAYS)
    config = {**instance.bundle.config, "hooks": {stage: [{"path": str(hook)}]}}
    Path(instance.folder, "config.json").write_text(json.dumps(config))  # noqa: ASYNC240 - a test's own file
    with unchanged_host(bench):
        with pytest.raises(RuntimeFailed, match="took longer than 3 s"):
            await bench.runtime.create(instance)
        await bench.remove(instance)
        assert instance.id not in await bench.runtime.list_instances()
    with trio.fail_after(10):
        while find_with(mark):  # noqa: ASYNC110 - the kernel has no event for it
            await trio.sleep(0.01)


def find_with(argument: str) -> list[int]:
    """The processes that have such an argument."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if argument.encode() in words:
                found.append(int(folder.name))
    return found


def test_the_look_for_a_process_can_fail() -> None:
    own = Path("/proc/self/cmdline").read_bytes().split(b"\0")[0].decode()
    assert find_with(own)
    assert not find_with("no such argument")
