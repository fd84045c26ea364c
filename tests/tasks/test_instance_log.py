"""How a live instance keeps its log: only a file, within the bound that holds now."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from attrs import evolve

from orchestrator.core.trim import DEFAULT_BOUND
from orchestrator.model.action import Target
from orchestrator.model.bundle import LogTarget
from orchestrator.tasks.instance import LiveInstance
from tests.tasks.helpers_supervise import Stage, make_target


class Trims:
    """The bounds by which the log is kept, in order; the last one is that of now, if ``running``."""

    def __init__(self) -> None:
        self.bounds: list[int] = []
        self.running = 0

    async def trim(self, path: str, bound: int) -> None:
        self.bounds.append(bound)
        self.running += 1
        try:
            await trio.sleep_forever()
        finally:
            self.running -= 1


def with_log(target: Target, bound: int | None = None, log: LogTarget = LogTarget.FILE) -> Target:
    return evolve(target, bundle=evolve(target.bundle, log=log), policy=evolve(target.policy, log_bound=bound))


@asynccontextmanager
async def running(target: Target, trims: Trims) -> AsyncIterator[LiveInstance]:
    """An instance that runs and is waited for; it is killed at the end."""
    outside = evolve(Stage().outside, trim_log=trims.trim)
    live = LiveInstance.from_target("web", target, 0, outside)
    live.build()
    await live.create()
    await live.start()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live.wait_exit, lambda message: None)
        await trio.testing.wait_all_tasks_blocked()
        yield live
        live.kill()


async def test_another_bound_holds_at_once() -> None:
    trims = Trims()
    async with running(with_log(make_target(), 100_000), trims) as live:
        assert trims.bounds == [100_000]
        live.retune(with_log(make_target(), 70_000))
        await trio.testing.wait_all_tasks_blocked()
        assert (trims.bounds, trims.running) == ([100_000, 70_000], 1)
        live.retune(with_log(make_target(), 70_000))
        await trio.testing.wait_all_tasks_blocked()
        assert trims.bounds == [100_000, 70_000], "the same bound disturbs nothing"
        live.retune(with_log(make_target()))
        await trio.testing.wait_all_tasks_blocked()
        assert (trims.bounds[2:], trims.running) == ([DEFAULT_BOUND], 1)
    assert trims.running == 0


@pytest.mark.parametrize("log", [LogTarget.JOURNAL, LogTarget.NONE])
async def test_what_goes_elsewhere_is_not_trimmed(log: LogTarget) -> None:
    trims = Trims()
    async with running(with_log(make_target(), log=log), trims) as live:
        assert live.state.log_target is log
        live.retune(with_log(make_target(), log=log))
        await trio.testing.wait_all_tasks_blocked()
    assert trims.bounds == []
