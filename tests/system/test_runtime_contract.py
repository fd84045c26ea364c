"""What every runtime does alike: one suite, on the fake, on runc, on crun and on railcar or its stand-in."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from orchestrator.core.limits import CPU_PERIOD, MOST_PIDS, KernelLimits, Limit, kernel_limits
from orchestrator.core.weights import is_of_cpu, weight_in
from orchestrator.model.bundle import HostLimits, Instance
from orchestrator.model.life import Exit
from orchestrator.model.resources import Resources
from orchestrator.model.types import Size
from orchestrator.ports import Process, RuntimeFailed, RuntimeStatus
from orchestrator.system.held import read_limits
from orchestrator.testing.runtime import FakeRuntime
from tests.system.helpers_runtime import MEBIBYTE, Bench, Program, open_bench

RUNTIMES = ["fake", *(pytest.param(name, marks=pytest.mark.real) for name in ("runc", "crun", "railcar"))]


@pytest.fixture(params=RUNTIMES)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(request.param, tmp_path) as bench:
        yield bench


async def end(bench: Bench, process: Process) -> Exit:
    """Kill it and wait."""
    process.send_signal(signal.SIGKILL)
    ended = await process.wait()
    process.close()
    return ended


async def test_an_exit_code_is_seen(bench: Bench) -> None:
    instance = bench.make_instance(Program.EXITS_3)
    process = await bench.run(instance)
    ended = await process.wait()
    assert (ended.code, ended.signal, ended.oom) == (3, None, False)
    assert await process.wait() == ended
    process.close()
    process.close()
    await bench.remove(instance)


async def test_created_is_not_started(bench: Bench) -> None:
    instance = bench.make_instance(Program.EXITS_0)
    process = await bench.runtime.create(instance)
    assert await bench.runtime.list_instances() == (instance.id,)
    with trio.move_on_after(0.05) as patience:
        await process.wait()
    assert patience.cancelled_caught
    await bench.runtime.start(instance.id, instance.folder)
    assert (await process.wait()).success
    process.close()
    await bench.remove(instance)


async def test_each_step_of_a_life_can_be_asked_for(bench: Bench) -> None:
    """What a next agent goes by where it is not written down how far an instance has come."""
    instance = bench.make_instance(Program.STAYS)
    assert await bench.runtime.query(instance.id) is None
    process = await bench.runtime.create(instance)
    assert await bench.runtime.query(instance.id) == RuntimeStatus("created", process.pid)
    await bench.runtime.start(instance.id, instance.folder)
    status = await bench.runtime.query(instance.id)
    assert status == RuntimeStatus("running", process.pid)
    assert status.started
    await end(bench, process)
    status = await bench.runtime.query(instance.id)
    assert status is not None
    assert (status.status, status.started) == ("stopped", True)
    await bench.remove(instance)
    assert await bench.runtime.query(instance.id) is None


async def test_what_a_failed_create_has_left_has_not_begun(bench: Bench) -> None:
    instance = bench.make_instance(Program.IS_MISSING)
    with pytest.raises(RuntimeFailed):
        await bench.runtime.create(instance)
    status = await bench.runtime.query(instance.id)
    assert status is None or not status.started
    await bench.remove(instance)


async def test_a_signal_ends_it_with_its_own_code(bench: Bench) -> None:
    instance = bench.make_instance(Program.OBEYS)
    process = await bench.run(instance)
    process.send_signal(signal.SIGTERM)
    ended = await process.wait()
    assert (ended.code, ended.signal) == (7, None)
    process.send_signal(signal.SIGTERM)
    process.close()
    await bench.remove(instance)


async def test_a_program_that_ignores_its_signal_is_killed(bench: Bench) -> None:
    instance = bench.make_instance(Program.STAYS)
    process = await bench.run(instance)
    process.send_signal(signal.SIGTERM)
    with trio.move_on_after(0.05) as patience:
        await process.wait()
    assert patience.cancelled_caught
    ended = await end(bench, process)
    assert (ended.code, ended.signal) == (None, signal.SIGKILL)
    await bench.remove(instance)


async def test_two_may_wait_for_the_same_end(bench: Bench) -> None:
    instance = bench.make_instance(Program.STAYS)
    process = await bench.run(instance)
    exits: list[Exit] = []

    async def wait() -> None:
        exits.append(await process.wait())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        process.send_signal(signal.SIGKILL)
    assert len(exits) == 2
    assert exits[0] == exits[1]
    process.close()
    await bench.remove(instance)


async def test_kill_all_reaches_every_process(bench: Bench) -> None:
    instance = bench.make_instance(Program.FORKS)
    process = await bench.run(instance)
    bench.runtime.kill_all(instance.cgroups_path)
    assert (await process.wait()).signal == signal.SIGKILL
    process.close()
    await bench.remove(instance)
    bench.runtime.kill_all(instance.cgroups_path)


async def test_remove_ends_what_runs_and_may_come_twice(bench: Bench) -> None:
    instance = bench.make_instance(Program.FORKS)
    process = await bench.run(instance)
    await bench.remove(instance)
    assert await bench.runtime.list_instances() == ()
    assert (await process.wait()).signal == signal.SIGKILL
    process.close()
    await bench.remove(instance)


async def test_remove_of_a_created_container(bench: Bench) -> None:
    instance = bench.make_instance(Program.EXITS_0)
    process = await bench.runtime.create(instance)
    await bench.remove(instance)
    assert (await process.wait()).signal == signal.SIGKILL
    process.close()


async def test_remove_of_an_id_never_heard_of(bench: Bench) -> None:
    await bench.remove(bench.make_instance(Program.EXITS_0))


async def test_remove_without_the_folder(bench: Bench) -> None:
    instance = bench.make_instance(Program.STAYS)
    process = await bench.run(instance)
    if bench.is_real:
        Path(instance.folder).rename(Path(instance.folder + "-gone"))  # noqa: ASYNC240 - a test may block
    await bench.remove(instance)
    await process.wait()
    process.close()


async def test_a_missing_program_fails_create_with_the_runtimes_own_message(bench: Bench) -> None:
    instance = bench.make_instance(Program.IS_MISSING)
    with pytest.raises(RuntimeFailed, match=r"/no/such/program.*[Nn]o such file") as caught:
        await bench.runtime.create(instance)
    message = str(caught.value)
    assert message.startswith(f"cannot create container {instance.id}: {bench.runtime.name}: ")
    assert "\n" not in message
    await bench.remove(instance)


async def test_start_of_an_unknown_id_fails(bench: Bench) -> None:
    instance = bench.make_instance(Program.EXITS_0)
    with pytest.raises(RuntimeFailed, match=rf"cannot start container {instance.id}: (.*not exist|.*No such file)"):
        await bench.runtime.start(instance.id, instance.folder)


async def test_an_out_of_memory_kill_is_counted(bench: Bench) -> None:
    instance = bench.make_instance(Program.EATS_MEMORY, memory=16 * MEBIBYTE)
    process = await bench.run(instance)
    assert (await process.wait()).signal == signal.SIGKILL
    assert bench.runtime.count_oom_kills(instance.cgroups_path) == 1
    process.close()
    await bench.remove(instance)
    assert bench.runtime.count_oom_kills(instance.cgroups_path) == 0


def held(bench: Bench, instance: Instance) -> KernelLimits:
    """What the kernel holds; of the fake, what would be held for what it was told."""
    if isinstance(bench.runtime, FakeRuntime):
        return kernel_limits(bench.runtime.containers[instance.id].resources, HostLimits())
    return read_limits(instance.cgroups_path, bench.cgroups.hierarchies).limits


async def update(bench: Bench, instance: Instance, **resources: Any) -> None:  # noqa: ANN401 - the fields of Resources
    await bench.runtime.update(instance.id, instance.folder, instance.cgroups_path, Resources(**resources))


@pytest.mark.parametrize("first", [None, 64])
async def test_memory_is_changed_live(bench: Bench, first: int | None) -> None:
    instance = bench.make_instance(Program.STAYS, memory=None if first is None else first * MEBIBYTE)
    process = await bench.run(instance)
    for megabytes in (96, 32, 512, None, 48, 48, None):
        limit = None if megabytes is None else Size(megabytes * MEBIBYTE + 1)
        await update(bench, instance, memory=limit)
        if bench.is_real:
            now = held(bench, instance)
            assert now.memory == (None if limit is None else limit - 1)
            assert now.memory_and_swap in (now.memory, None)
    assert bench.is_real or await bench.runtime.list_instances() == (instance.id,)
    await end(bench, process)
    await bench.remove(instance)


async def test_swap_is_changed_live(bench: Bench) -> None:
    resources = Resources(memory=Size(64 * MEBIBYTE), memory_swap=Size(96 * MEBIBYTE))
    instance = bench.make_instance(Program.STAYS, resources=resources)
    process = await bench.run(instance)
    for memory, together in ((64, 96), (64, 64), (128, 256), (32, 200), (200, 200), (32, 32), (256, 512)):
        await update(bench, instance, memory=Size(memory * MEBIBYTE), memory_swap=Size(together * MEBIBYTE))
        now = held(bench, instance)
        assert now.memory == memory * MEBIBYTE
        assert now.memory_and_swap in (together * MEBIBYTE, None)
    await update(bench, instance)
    assert held(bench, instance).of(Limit.MEMORY) == (None, None)
    await end(bench, process)
    await bench.remove(instance)


@pytest.mark.parametrize("first", [{}, {"cpus": 0.5, "cpu_weight": 50, "pids": 64}], ids=["unlimited", "limited"])
async def test_processors_and_processes_are_changed_live(bench: Bench, first: dict[str, Any]) -> None:
    instance = bench.make_instance(Program.STAYS, resources=Resources(**first))
    process = await bench.run(instance)
    assert held(bench, instance).of(Limit.PIDS) == first.get("pids")
    for cpus, weight, pids in ((1.5, 200, 32), (0.01, 1, 4194304), (None, None, None), (4.0, 10000, 1), (4.0, None, 1)):
        await update(bench, instance, cpus=cpus, cpu_weight=weight, pids=pids)
        now = held(bench, instance)
        assert now.cpu_quota == (None if cpus is None else round(cpus * CPU_PERIOD))
        assert now.pids == (None if pids == MOST_PIDS else pids)
        expected = {file: weight_in(file, weight) for file in now.weights if is_of_cpu(file)}
        assert now.of(Limit.CPU_WEIGHT) == expected
        assert expected
    await end(bench, process)
    await bench.remove(instance)


async def test_the_weight_of_disks_is_changed_live(bench: Bench) -> None:
    crun_cannot = bench.runtime.name == "crun" and any(h.version == 1 for h in bench.cgroups.hierarchies)
    instance = bench.make_instance(Program.STAYS, resources=Resources() if crun_cannot else Resources(io_weight=50))
    process = await bench.run(instance)
    for weight in (200, 1000, None, 50):
        if crun_cannot:  # crun 1.8 knows only blkio.weight of v1, which kernels no longer have
            with pytest.raises(RuntimeFailed, match=f"cannot update container {instance.id}: crun: .*blkio.weight"):
                await update(bench, instance, io_weight=200)
            break
        await update(bench, instance, io_weight=weight)
        now = held(bench, instance).of(Limit.IO_WEIGHT)
        assert now == {file: weight_in(file, weight) for file in now}
        assert now
    await end(bench, process)
    await bench.remove(instance)


async def test_a_cancel_before_create_loses_nothing(bench: Bench) -> None:
    instance = bench.make_instance(Program.STAYS)
    with trio.CancelScope() as scope:
        scope.cancel()
        process = await bench.runtime.create(instance)
    await bench.runtime.start(instance.id, instance.folder)
    await end(bench, process)
    await bench.remove(instance)


async def test_a_cancel_in_create_loses_nothing(bench: Bench) -> None:
    instance = bench.make_instance(Program.STAYS)
    created: list[Process] = []

    async def create() -> None:
        created.append(await bench.runtime.create(instance))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(create)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    (process,) = created
    await end(bench, process)
    await bench.remove(instance)


async def test_thirty_at_a_time(bench: Bench) -> None:
    instances = [bench.make_instance(Program.EXITS_3) for _ in range(30)]
    codes: list[int | None] = []

    async def live(number: int) -> None:
        process = await bench.run(instances[number])
        codes.append((await process.wait()).code)
        process.close()
        await bench.remove(instances[number])

    async with trio.open_nursery() as nursery:
        for number in range(len(instances)):
            nursery.start_soon(live, number)
    assert codes == [3] * 30
