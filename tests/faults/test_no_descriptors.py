"""Without a descriptor left the outside's every answer is an OutsideError, and orphans are reaped all the same."""

import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import trio

from orchestrator.model.resources import Resources
from orchestrator.model.types import Size
from orchestrator.ports import OutsideError, RuntimeFailed
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.held import read_limits
from orchestrator.system.hierarchies import CgroupUnreadable
from orchestrator.system.process import ProcessGone, open_process
from orchestrator.system.reaper import Children, become_subreaper, reap_orphans
from orchestrator.system.runtime import OciRuntime
from orchestrator.system.runtime_output import open_scratch, read_from
from orchestrator.system.spawn import keep_descriptors_private, run_command
from tests.faults.helpers_descriptors import no_descriptors_left
from tests.system.helpers_runtime import MEBIBYTE, Bench, Program, open_bench


@pytest.fixture(params=["runc", "crun"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(request.param, tmp_path) as bench:
        yield bench


async def test_orphans_are_reaped_without_a_descriptor() -> None:
    become_subreaper()
    children = Children()
    async with trio.open_nursery() as nursery:
        await nursery.start(reap_orphans, children)
        with open_scratch() as output:
            argv = ("/bin/sh", "-c", "sleep 1000 & echo $!")
            assert (await run_command(argv, children=children, env={}, deadline=30, stdout=output)).success
            orphan = int(read_from(f"/proc/self/fd/{output}", 0))
        with no_descriptors_left():
            os.kill(orphan, signal.SIGKILL)
            with trio.fail_after(30):
                while Path(f"/proc/{orphan}").exists():  # noqa: ASYNC110, ASYNC240 - the reaper makes no event
                    await trio.sleep(0.002)
        nursery.cancel_scope.cancel()


async def test_a_reaper_that_cannot_begin_says_so() -> None:
    with no_descriptors_left(), pytest.raises(OutsideError, match=r"cannot see which children .*Too many open files"):
        await reap_orphans(Children())


def test_an_agent_that_cannot_see_its_descriptors_says_so() -> None:
    with (
        no_descriptors_left(),
        pytest.raises(OutsideError, match=r"cannot see which descriptors .*Too many open files"),
    ):
        keep_descriptors_private()


def test_a_process_that_cannot_be_held() -> None:
    before = os.listdir("/proc/self/fd")
    for spare in range(2):
        with no_descriptors_left(spare), pytest.raises(ProcessGone, match="Too many open files"):
            open_process(os.getpid(), Children())
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.real
async def test_a_group_that_cannot_be_looked_at_is_not_taken_for_an_empty_one(bench: Bench) -> None:
    instance = bench.make_instance(Program.STAYS)
    process = await bench.run(instance)
    path = instance.cgroups_path
    with no_descriptors_left():
        assert bench.cgroups.exists(path)
        for look in (
            bench.cgroups.pids,
            bench.cgroups.kill_all,
            partial(read_limits, hierarchies=bench.cgroups.hierarchies),
        ):
            with pytest.raises(CgroupUnreadable, match=r"^cannot read .*Too many open files$"):
                look(path)
        with pytest.raises(OutsideError, match="Too many open files"):
            await bench.cgroups.remove(path)
        assert bench.cgroups.count_oom_kills(path) == 0
        with pytest.raises(CgroupUnreadable):
            Cgroups()
    assert bench.cgroups.pids(path) == {process.pid}
    await bench.remove(instance)
    await process.wait()
    process.close()


@pytest.mark.real
@pytest.mark.parametrize("spare", range(3))
async def test_what_a_runtime_cannot_do_is_one_line_and_can_be_done_later(bench: Bench, spare: int) -> None:
    runtime, instance = bench.runtime, bench.make_instance(Program.STAYS)
    where = (instance.id, instance.folder, instance.cgroups_path)
    with no_descriptors_left(spare), pytest.raises(RuntimeFailed, match=f"^cannot create container {instance.id}: "):
        await runtime.create(instance)
    process = await runtime.create(instance)
    with no_descriptors_left(min(spare, 1)), pytest.raises(RuntimeFailed, match="Too many open files"):
        await runtime.start(instance.id, instance.folder)
    await bench.remove(instance)
    await process.wait()
    process.close()
    process = await bench.run(instance)
    with no_descriptors_left(spare), pytest.raises(RuntimeFailed, match=f"^cannot update container {instance.id}: "):
        await runtime.update(*where, Resources(memory=Size(128 * MEBIBYTE)))
    await runtime.update(*where, Resources(memory=Size(128 * MEBIBYTE)))
    with no_descriptors_left(0):
        with pytest.raises(RuntimeFailed, match="Too many open files"):
            runtime.kill_all(instance.cgroups_path)
        with pytest.raises(RuntimeFailed, match=f"^cannot remove container {instance.id}: "):
            await runtime.remove(*where)
        assert runtime.count_oom_kills(instance.cgroups_path) == 0
        with pytest.raises(RuntimeFailed, match="Too many open files"):
            await runtime.list_instances()
    await bench.remove(instance)
    assert (await process.wait()).signal == signal.SIGKILL
    process.close()


@pytest.mark.real
async def test_nothing_is_created_that_could_not_be_ended(bench: Bench) -> None:
    assert isinstance(bench.runtime, OciRuntime)
    instance = bench.make_instance(Program.STAYS)
    message = f"^cannot create container {instance.id}: fewer than 20 of the 256 descriptors .* are left$"
    with no_descriptors_left(19), pytest.raises(RuntimeFailed, match=message):
        await bench.runtime.create(instance)
    assert not Path(instance.log).exists()  # noqa: ASYNC240 - a test may block
    with no_descriptors_left(20):
        process = await bench.run(instance)
        await bench.remove(instance)
        await process.wait()
        process.close()
