"""What systemd is told: when all was looked at again, that the agent is alive, that a stop takes longer."""

import itertools
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from orchestrator.model.health import Notification
from orchestrator.model.life import Life
from orchestrator.model.policy import Restart, Stop
from orchestrator.model.resources import Resources
from orchestrator.model.spec import Policy
from orchestrator.model.state import NameState, PublicState, Standing
from orchestrator.model.types import Duration
from orchestrator.tasks.ending import Ending
from orchestrator.tasks.once import announce, settle_once
from orchestrator.tasks.reconcile import LOOK_AT_MOST
from orchestrator.tasks.report import EXTEND_BY
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_order import DEAF
from tests.tasks.helpers_reconcile import WEB, Stage, open_stage

EXTENSION = f"EXTEND_TIMEOUT_USEC={round(EXTEND_BY * 1e6)}"


async def test_a_reload_is_done_when_all_was_looked_at(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        stage.reporter.settled()
        stage.notifier.told.clear()
        stage.world.delay = 3.0
        stage.reconciler.look_again(when_done=stage.reporter.reloading())
        await trio.sleep(1)
        assert stage.notifier.told == ["RELOADING=1"]
        # Asked for while the first look is under way: the next one answers, and READY=1 says that of both.
        stage.reconciler.look_again(when_done=stage.reporter.reloading())
        looks = stage.directory.reads
        with trio.fail_after(60):
            while "READY=1" not in stage.notifier.told:  # noqa: ASYNC110 - what is told is no event
                await trio.sleep(0.1)
        assert stage.directory.reads == looks + 1
        assert stage.notifier.told == ["RELOADING=1", "RELOADING=1", "READY=1"]


async def test_a_reload_before_the_start_is_done_or_in_the_end_says_nothing(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        early = stage.reporter.reloading()
        stage.reporter.settled()
        stage.notifier.told.clear()
        late = stage.reporter.reloading()
        early()
        assert stage.notifier.told == ["RELOADING=1"]
        stage.reporter.stopping()
        late()
        stage.reporter.reloading()()
        assert stage.notifier.told == ["RELOADING=1", "STOPPING=1"]


async def test_the_watchdog_is_fed_as_often_as_asked(autojump_clock: MockClock) -> None:
    stage = Stage({})
    stage.notifier.watchdog_interval = 5.0
    with trio.move_on_after(21):
        await stage.reporter.feed_watchdog(lambda: False)
    assert stage.notifier.told == ["WATCHDOG=1"] * 5
    stage.notifier.watchdog_interval = None
    await stage.reporter.feed_watchdog(lambda: False)


async def test_a_look_that_does_not_end_lets_the_watchdog_bite_and_rest_does_not(
    autojump_clock: MockClock,
) -> None:
    async with open_stage({"web": WEB}) as stage, trio.open_nursery() as nursery:
        stage.notifier.watchdog_interval = 5.0
        nursery.start_soon(stage.reporter.feed_watchdog, stage.reconciler.is_stuck)
        await trio.sleep(10 * LOOK_AT_MOST)
        assert not stage.reconciler.is_stuck()
        fed = stage.notifier.told.count("WATCHDOG=1")
        assert fed >= 10 * LOOK_AT_MOST // 5
        stage.world.delay = 2 * LOOK_AT_MOST
        stage.reconciler.look_again()
        await trio.sleep(1.5 * LOOK_AT_MOST)
        assert stage.reconciler.is_stuck()
        bitten = stage.notifier.told.count("WATCHDOG=1")
        assert bitten - fed == pytest.approx(LOOK_AT_MOST // 5, abs=1)
        assert stage.lines[-1] == "the look at the directory does not end: the watchdog is let bite"
        told = len(stage.lines)
        await trio.sleep(LOOK_AT_MOST)
        assert not stage.reconciler.is_stuck()
        assert stage.notifier.told.count("WATCHDOG=1") > bitten
        assert len(stage.lines) == told
        nursery.cancel_scope.cancel()


async def test_a_stop_that_makes_progress_is_let_go_on(autojump_clock: MockClock) -> None:
    stage = Stage({})
    policy = Policy(oneshot=False, restart=Restart(), stop=Stop(timeout=Duration(80.0)))
    standing = Standing(life=Life(), policy=policy, bundle="", resources=Resources())
    slow = NameState(name="slow", state=PublicState.STOPPING, since=0.0, standing=standing)
    stage.reporter.changed(slow, settled=False)
    stage.reporter.stopping()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.reporter.extend_stop)
        for number in range(5):
            await trio.sleep(90)
            stage.reporter.changed(NameState(name=f"{number}", state=PublicState.STOPPED, since=0.0), settled=True)
        last = trio.current_time()
        assert stage.notifier.told.count(EXTENSION) >= 5 * 90 / EXTEND_BY
    # Nothing has changed for longer than any stop takes: systemd may end it.
    assert last + 80 <= trio.current_time() <= last + 80 + 2 * EXTEND_BY


async def test_a_stop_that_asked_for_more_time_gets_it(autojump_clock: MockClock) -> None:
    async with open_stage({"db": f'{WEB}ready = "notify"\nstop.timeout = "10s"\n'}, settled=False) as stage:
        await trio.sleep(1)
        stage.notify_sockets.say("db", Notification(ready=True))
        await stage.settle()
        process = stage.runtime.process_of("db")
        process._program = DEAF
        stage.reporter.stopping()
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.reporter.extend_stop)
            stage.reconciler.stop_all()
            await trio.sleep(1)
            stage.notify_sockets.say("db", Notification(extend_timeout_usec=600_000_000))
            while not process.ended:
                before = stage.notifier.told.count(EXTENSION)
                await trio.sleep(EXTEND_BY)
                assert stage.notifier.told.count(EXTENSION) > before
            assert trio.current_time() >= began + 600
            nursery.cancel_scope.cancel()


async def test_a_start_that_takes_long_asks_for_more_time_until_it_has_settled(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB + 'ready = "notify"\nstart_timeout = "1h"\n'}, settled=False) as stage:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(announce, stage.reporter, lambda: False)
            await trio.sleep(1000)
            assert stage.notifier.told.count(EXTENSION) >= 1000 / EXTEND_BY
            assert "READY=1" not in stage.notifier.told
            stage.notify_sockets.say("web", Notification(ready=True))
        asked = stage.notifier.told.count(EXTENSION)
        assert "READY=1" in stage.notifier.told
        await trio.sleep(1000)
        assert stage.notifier.told.count(EXTENSION) == asked


async def test_an_agent_whose_work_does_not_go_on_asks_for_no_more_time(autojump_clock: MockClock) -> None:
    stage = Stage({})
    stage.reporter.expect("web")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(announce, stage.reporter, lambda: True)
        await trio.sleep(1000)
        assert EXTENSION not in stage.notifier.told
        nursery.cancel_scope.cancel()


CRASHES = {f"w{number}": f'{WEB}restart = {{ delay = "0s", max_delay = "0s" }}\n' for number in range(4)}


def crash(stage: Stage) -> None:
    stage.tokens = (f"{number:05}" for number in itertools.count())
    stage.runtime.delays |= {"create": 0.05, "start": 0.02}
    for name in CRASHES:
        stage.runtime.set_program(name, FakeProgram(exits=1))


async def test_several_that_crash_again_and_again_keep_nobody_waiting(autojump_clock: MockClock) -> None:
    """There is no moment at which nothing is under way for any of them."""
    async with open_stage(CRASHES, crash, settled=False) as stage:
        with trio.fail_after(5):
            await announce(stage.reporter, lambda: False)
        assert "READY=1" in stage.notifier.told


async def test_once_ends_where_several_crash_again_and_again_and_says_so(autojump_clock: MockClock) -> None:
    async def no_signals() -> AsyncIterator[int]:
        await trio.sleep_forever()
        yield 0

    async with open_stage(CRASHES | {"ok": WEB}, crash, settled=False) as stage:
        with trio.fail_after(5):
            ending = Ending(no_signals(), stage.lines.append, leave=False)
            assert await settle_once(stage.reporter, ending, lambda: None) == 1


async def test_once_waits_for_a_oneshot_at_its_work(autojump_clock: MockClock) -> None:
    async with open_stage({"job": WEB + 'type = "oneshot"\n', "ok": WEB}) as stage:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.reporter.wait_finished)
            await trio.sleep(100)
            stage.runtime.process_of("job").finish(code=0)
        assert trio.current_time() == pytest.approx(began + 100, abs=1)
        await stage.reporter.wait_finished()
