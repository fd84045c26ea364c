"""railcar's quirks, one a test: its start, state and delete. Each fails where the adapter does not mind it.

The runtime is a stand-in that has them all, `railcar_stand_in.py`.
"""

import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio

from orchestrator.core.limits import Limit
from orchestrator.model.resources import Resources
from orchestrator.ports import RuntimeFailed, RuntimeStatus
from orchestrator.system.held import read_limits
from orchestrator.system.railcar import RailcarRuntime
from tests.system.helpers_runtime import Bench, Program, open_bench
from tests.system.railcar_bench import change_file, live, make, read, state, undo

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


HOOK = """\
#!/bin/sh
cat >> {said}
cat {state}/process.pid >> {noted} 2> /dev/null || true
"""


async def test_a_start_that_is_not_heard_yet_is_tried_again(bench: Bench, commands: Callable[[], list[str]]) -> None:
    assert (await live(bench, make(bench)))[0].success
    assert len([command for command in commands() if " start " in command]) > 1


async def test_what_it_notes_as_the_application_is_never_everybody(
    bench: Bench, commands: Callable[[], list[str]]
) -> None:
    """It notes -1: whoever would delete the container by force then ended every process of the host."""
    instance = bench.make_instance(Program.STAYS)
    process = await bench.run(instance)
    assert (state(bench, instance) / "process.pid").read_text() == str(process.pid)
    assert await bench.runtime.query(instance.id) == RuntimeStatus("running", process.pid)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    # Of one that has ended it says the number still, which may be another's.
    assert await bench.runtime.query(instance.id) == RuntimeStatus("stopped", 0)
    process.close()
    await bench.remove(instance)
    assert [command for command in commands() if "--force" in command or " kill " in command] == []


async def test_hooks_are_run_once_and_while_nobody_is_noted(bench: Bench, tmp_path: Path) -> None:
    instance = make(bench)
    kinds = ("prestart", "poststart", "poststop")
    hooks = {}
    for kind in kinds:
        hook = tmp_path / kind
        where = {"said": tmp_path / f"{kind}.said", "noted": tmp_path / f"{kind}.noted"}
        hook.write_text(HOOK.format(state=state(bench, instance), **where))
        hook.chmod(0o755)
        hooks[kind] = [{"path": str(hook)}]
    change_file(instance, lambda config: config.update(hooks=hooks))
    await live(bench, instance)
    # Were they run twice, this would be two objects.
    statuses = [json.loads((tmp_path / f"{kind}.said").read_text())["status"] for kind in kinds]
    assert statuses == ["running", "running", "stopped"]
    assert (tmp_path / "poststart.noted").read_text() == ""


async def test_a_start_that_fails_has_not_begun(bench: Bench) -> None:
    instance = make(bench, change=lambda config: config.update(hooks={"prestart": [{"path": "/bin/false"}]}))
    process = await bench.runtime.create(instance)
    with pytest.raises(RuntimeFailed, match="failed to execute prestart hooks: hook exited with exit code: 1"):
        await bench.runtime.start(instance.id, instance.folder)
    assert await bench.runtime.query(instance.id) == RuntimeStatus("created", process.pid)
    await undo(bench, instance, process)


async def test_what_waits_to_be_started_is_no_command_of_an_earlier_agent(bench: Bench) -> None:
    """It has the command line of the create that it comes from. Nor has it begun, though a start was under way."""
    folder = Path(bench.runtime.root, "c9")
    folder.mkdir(parents=True)  # noqa: ASYNC240 - a test may block
    (folder / "config.json").write_text(json.dumps({"root": {"path": "/srv"}, "linux": {"cgroupsPath": "/none"}}))
    argv = ("sh", "-c", "echo up; read never", "railcar", "--root", bench.runtime.root, "create", "c9")
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, start_new_session=True) as waits:  # noqa: ASYNC220 - short
        try:
            assert waits.stdout is not None
            waits.stdout.readline()
            (folder / "init.pid").write_text(str(waits.pid))
            with trio.fail_after(3):
                assert await bench.runtime.query("c9") == RuntimeStatus("created", waits.pid)
            (folder / "process.pid").symlink_to(os.devnull)
            with trio.fail_after(3):
                assert await bench.runtime.query("c9") == RuntimeStatus("created", waits.pid)
            assert waits.poll() is None
        finally:
            waits.kill()
    await bench.runtime.remove("c9", f"{folder}-none", f"{bench.group}/c9")


async def test_its_state_is_read_though_it_is_of_another_version(bench: Bench) -> None:
    instance = bench.make_instance(Program.STAYS)
    process = await bench.run(instance)
    argv = (bench.runtime.command, "--root", bench.runtime.root, "state", instance.id)
    said = json.loads((await trio.run_process(argv, capture_stdout=True)).stdout)
    assert (said["ociVersion"], said["bundle"]) == ("0.2.0", instance.rootfs)
    assert await bench.runtime.query(instance.id) == RuntimeStatus("running", process.pid)
    await undo(bench, instance, process)


async def test_a_process_with_the_number_of_one_that_ended_is_left_alone(bench: Bench) -> None:
    """Its delete kills whoever has the number that it noted as the container's first."""
    instance = make(bench)
    process = await bench.run(instance)
    await process.wait()
    process.close()
    with subprocess.Popen(["sleep", "1000"]) as bystander:  # noqa: ASYNC220 - short
        try:
            (state(bench, instance) / "init.pid").write_text(str(bystander.pid))
            await bench.remove(instance)
            assert bystander.poll() is None
        finally:
            bystander.kill()


async def test_a_delete_that_says_all_is_well_is_not_believed(bench: Bench, tmp_path: Path) -> None:
    """As it does of an id that it does not know."""
    program = tmp_path / "bin" / "railcar"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    runtime = RailcarRuntime("railcar", str(program), bench.runtime.root, bench.children, bench.cgroups)
    instance = make(bench)
    state(bench, instance).mkdir(parents=True)
    await runtime.remove(instance.id, instance.folder, instance.cgroups_path)
    assert await bench.runtime.list_instances() == ()


async def test_the_weight_of_disks_holds_from_the_start(bench: Bench) -> None:
    """It would write it to a file that kernels no longer have."""
    instance = bench.make_instance(Program.EXITS_0, resources=Resources(io_weight=50))
    process = await bench.runtime.create(instance)
    weights = read_limits(instance.cgroups_path, bench.cgroups.hierarchies).limits.of(Limit.IO_WEIGHT)
    assert list(weights.values()) == [50]
    await undo(bench, instance, process)


async def test_limits_are_changed_without_it(bench: Bench, commands: Callable[[], list[str]]) -> None:
    instance = bench.make_instance(Program.STAYS)
    process = await bench.run(instance)
    before = commands()
    await bench.runtime.update(instance.id, instance.folder, instance.cgroups_path, Resources(pids=7))
    mount = next(each for each in bench.cgroups.hierarchies if "pids" in each.controllers).mount_point
    assert read(f"{mount}{instance.cgroups_path}/pids.max") == "7\n"
    assert commands() == before
    await undo(bench, instance, process)
