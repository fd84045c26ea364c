"""What real runtimes leave when they are killed, hang or refuse, and that it is undone whole."""

import os
import random
import shlex
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from orchestrator.model.bundle import Instance
from orchestrator.model.resources import Resources
from orchestrator.model.types import Size
from orchestrator.ports import Process, RuntimeFailed, RuntimeStatus
from orchestrator.system import leftovers
from orchestrator.system import runtime as runtime_module
from orchestrator.system.held import read_limits
from orchestrator.system.leftovers import find_commands
from orchestrator.system.reaper import list_children
from orchestrator.system.runtime import OciRuntime
from orchestrator.system.spawn import clean_environment, run_command
from tests.system.helpers_runtime import MEBIBYTE, Bench, Program, open_bench, unchanged_host

pytestmark = pytest.mark.real


@pytest.fixture(params=["runc", "crun"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(request.param, tmp_path) as bench:
        yield bench


async def wait_until_childless(but: set[int]) -> None:
    """Orphans of a killed command end by themselves, when they find their pipe closed, and are reaped then."""
    with trio.fail_after(10):
        while set(list_children()) - but:  # noqa: ASYNC110 - other tasks of the test reap them
            await trio.sleep(0.002)


async def kill_create(bench: Bench, instance: Instance, seconds: float) -> bool:
    """Kill the command's process group so long after it began; whether create had come to its end before."""
    before = set(list_children())
    created: list[Process] = []
    errors: list[str] = []

    async def create() -> None:
        try:
            created.append(await bench.runtime.create(instance))
        except RuntimeFailed as error:
            errors.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(create)
        await trio.testing.wait_all_tasks_blocked()
        for pid in set(list_children()) - before:
            await trio.sleep(seconds)
            if not created:
                os.killpg(pid, signal.SIGKILL)
    assert all("signal 9" in error for error in errors)
    for process in created:
        await bench.remove(instance)
        await process.wait()
        process.close()
    return bool(created)


async def test_a_create_that_is_killed_at_any_moment_is_undone(bench: Bench) -> None:
    chance = random.Random(20)
    instance = bench.make_instance(Program.STAYS)
    began = time.monotonic()
    process = await bench.runtime.create(instance)
    whole = time.monotonic() - began
    await bench.remove(instance)
    await process.wait()
    process.close()
    killed = 0
    before = set(list_children())
    while killed < 40:
        instance = bench.make_instance(Program.STAYS)
        with unchanged_host(bench):
            if await kill_create(bench, instance, chance.random() * whole):
                continue
            killed += 1
            await bench.remove(instance)
            assert instance.id not in await bench.runtime.list_instances()
            await wait_until_childless(before)


async def test_a_create_of_an_agent_that_is_no_more_is_undone(bench: Bench, tmp_path: Path) -> None:
    instance = bench.make_instance(Program.STAYS)
    assert isinstance(bench.runtime, OciRuntime)
    # What is left of it: a command of that form, in a session of its own, with a child in its group.
    script = tmp_path / "runtime"
    script.write_text("#!/bin/sh\nsleep 1000 &\nwait\n")
    script.chmod(0o755)
    argv = (str(script), "--root", bench.runtime.root, "create", "--bundle", instance.folder, instance.id)
    env = clean_environment(os.environ)

    results = []

    async def run() -> None:
        results.append(await run_command(argv, children=bench.children, env=env, deadline=20))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        # The kernel shows the command line of a program a moment after posix_spawn has returned.
        while not find_commands(bench.runtime.root, instance.id):  # noqa: ASYNC110 - no event for that
            await trio.sleep(0.002)
        await bench.remove(instance)
    assert [result.signal for result in results] == [signal.SIGKILL]


async def test_a_start_of_an_agent_that_is_no_more_is_waited_for(bench: Bench, tmp_path: Path) -> None:
    """Before it has come to its end nobody can say whether the application has begun."""
    assert isinstance(bench.runtime, OciRuntime)
    instance = bench.make_instance(Program.STAYS)
    process = await bench.runtime.create(instance)
    script = tmp_path / "runtime"
    command = shlex.join([*bench.runtime._wrapper, bench.runtime.command])
    script.write_text(f'#!/bin/sh\nsleep 0.3\nexec {command} "$@"\n')
    script.chmod(0o755)
    argv = (str(script), "--root", bench.runtime.root, "start", instance.id)
    env = clean_environment(os.environ)
    wrapper = bench.runtime._wrapper
    next_one = OciRuntime(
        bench.runtime.name, bench.runtime.command, bench.runtime.root, bench.children, bench.cgroups, wrapper
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: run_command(argv, children=bench.children, env=env, deadline=20))
        while not find_commands(bench.runtime.root, instance.id):  # noqa: ASYNC110 - no event for that
            await trio.sleep(0.002)
        assert await next_one.query(instance.id) == RuntimeStatus("running", process.pid)
    await bench.remove(instance)
    await process.wait()
    process.close()


async def test_a_start_of_an_agent_that_is_no_more_and_hangs_is_ended(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "COMMAND_PATIENCE", 0.1)
    script = tmp_path / "runtime"
    script.write_text("#!/bin/sh\nsleep 1000 &\nwait\n")
    script.chmod(0o755)
    results = []

    async def run() -> None:
        argv = (str(script), "--root", bench.runtime.root, "start", "an-id")
        env = clean_environment(os.environ)
        results.append(await run_command(argv, children=bench.children, env=env, deadline=20))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        while not find_commands(bench.runtime.root, "an-id"):  # noqa: ASYNC110 - no event for that
            await trio.sleep(0.002)
        await leftovers.await_commands(bench.runtime.root, "an-id")
    assert [result.signal for result in results] == [signal.SIGKILL]


async def test_a_create_that_hangs_ends_at_its_deadline(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_module, "CREATE_DEADLINE", 0.1)
    script = tmp_path / "runtime"
    script.write_text("#!/bin/sh\nsleep 1000 &\nwait\n")
    script.chmod(0o755)
    runtime = OciRuntime("hangs", str(script), str(tmp_path / "root"), bench.children, bench.cgroups)
    instance = bench.make_instance(Program.STAYS)
    with pytest.raises(RuntimeFailed, match=r"hangs: took longer than 0\.1 s"):
        await runtime.create(instance)
    await runtime.remove(instance.id, instance.folder, instance.cgroups_path)


async def test_a_state_folder_that_the_runtime_cannot_read_is_removed(bench: Bench) -> None:
    instance = bench.make_instance(Program.STAYS)
    Path(bench.runtime.root, instance.id).mkdir(parents=True)  # noqa: ASYNC240 - a test may block
    assert await bench.runtime.list_instances() == (instance.id,)
    await bench.remove(instance)


async def test_a_mount_that_was_left_in_the_state_folder_is_removed(bench: Bench) -> None:
    instance = bench.make_instance(Program.STAYS)
    program = Path(bench.runtime.root, instance.id, "runc.a b")
    program.parent.mkdir(parents=True)
    program.touch()  # noqa: ASYNC240 - a test may block
    argv = ("/bin/mount", "--bind", bench.runtime.command, str(program))
    assert (await run_command(argv, children=bench.children, env=clean_environment(os.environ), deadline=30)).success
    await bench.remove(instance)


async def test_an_orphan_of_an_exec_is_reaped_and_the_end_is_seen(bench: Bench) -> None:
    assert isinstance(bench.runtime, OciRuntime)
    instance = bench.make_instance(Program.STAYS)
    process = await bench.run(instance)
    before = set(list_children())
    exec_argv = ("--root", bench.runtime.root, "exec", "--detach", instance.id, "/bin/sleep", "1000")
    argv = (*bench.runtime._wrapper, bench.runtime.command, *exec_argv)
    result = await run_command(argv, children=bench.children, env=clean_environment(os.environ), deadline=30)
    assert result.success
    (orphan,) = set(list_children()) - before
    assert orphan in bench.cgroups.pids(instance.cgroups_path)
    # A container's end waits in the kernel until the orphan is reaped, also while another one is created.
    with bench.children.hold(), trio.fail_after(10):
        process.send_signal(signal.SIGKILL)
        assert (await process.wait()).signal == signal.SIGKILL
    process.close()
    await bench.remove(instance)


async def test_an_init_that_ends_in_create_is_left_to_its_process(bench: Bench) -> None:
    instance = bench.make_instance(Program.EXITS_3)
    process = await bench.run(instance)
    await wait_until_zombie(process.pid)
    assert process.pid not in bench.children.reap(list_children())
    assert (await process.wait()).code == 3
    process.close()
    await bench.remove(instance)


async def wait_until_zombie(pid: int) -> None:
    while ") Z " not in Path(f"/proc/{pid}/stat").read_text():  # noqa: ASYNC110, ASYNC240 - it must not be waited for
        await trio.sleep(0.002)


async def test_a_limit_below_what_is_used_is_refused_in_one_line_and_so_is_what_comes_with_it(bench: Bench) -> None:
    first = Resources(memory=Size(256 * MEBIBYTE), pids=64, cpu_weight=50)
    instance = bench.make_instance(Program.HOLDS_MEMORY, resources=first)
    process = await bench.run(instance)
    before = read_limits(instance.cgroups_path, bench.cgroups.hierarchies)
    resources = Resources(memory=Size(8 * MEBIBYTE), cpus=0.5, cpu_weight=300, pids=32)
    with pytest.raises(RuntimeFailed, match=f"cannot update container {instance.id}: ") as caught:
        await bench.runtime.update(instance.id, instance.folder, instance.cgroups_path, resources)
    assert "\n" not in str(caught.value)
    assert read_limits(instance.cgroups_path, bench.cgroups.hierarchies) == before
    assert before.limits.memory == 256 * MEBIBYTE
    process.send_signal(signal.SIGKILL)
    await process.wait()
    process.close()
    await bench.remove(instance)
