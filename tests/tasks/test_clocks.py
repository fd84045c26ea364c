"""Clocks that leap: the calendar's changes nothing but what people are shown; after a leap of the one that deadlines go
by, everything that was due is done once."""

import random
from collections import Counter
from collections.abc import Callable

import trio
from trio.testing import MockClock

from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_reconcile import WEB, Stage, open_stage

DAY = 86400.0
RESTART = 'restart = { delay = "10s", max_delay = "1h", jitter = 0.0, reset_after = "5m", max_restarts = 6 }\n'
FILES = {
    "steady": WEB,
    "well": WEB + 'health = { type = "tcp", port = 80, period = "10s" }\nready = "healthy"\n',
    "crashing": WEB + RESTART,
    "stubborn": WEB + 'stop.timeout = "20s"\n',
    "once": WEB + 'type = "oneshot"\n',
}


def prepare(stage: Stage) -> None:
    stage.runtime.set_program("crashing", FakeProgram(exits=1))
    stage.runtime.set_program("stubborn", FakeProgram(ignores=frozenset({15})))
    stage.runtime.set_program("once", FakeProgram(exits=0))


Timeline = list[tuple[float, str, str]]


async def watch_for(stage: Stage, seconds: float) -> Timeline:
    """What was asked of the runtime and of the applications meanwhile, and when, from 0 on."""
    began, calls, probes = trio.current_time(), len(stage.runtime.calls), len(stage.prober.asked)
    seen: Timeline = []
    while trio.current_time() < began + seconds:
        await trio.sleep(0.25)
        new, calls = stage.runtime.calls[calls:], len(stage.runtime.calls)
        seen += [(round(trio.current_time() - began, 2), method, identity[:-4]) for method, identity in new]
    seen += [(round(at - began, 2), "probe", name) for at, name, _ in stage.prober.asked[probes:]]
    return sorted(seen)  # trio runs what is ready in no certain order


async def play(wall_clock: Callable[[], float]) -> tuple[Timeline, Stage]:
    """Ten minutes with an edit, a crash and a removal, by this calendar."""

    def begin(stage: Stage) -> None:
        prepare(stage)
        stage.wall_clock = wall_clock

    async with open_stage(FILES, begin) as stage:
        timeline = await watch_for(stage, 60)
        stage.directory.write("stubborn", FILES["stubborn"] + 'env.A = "1"\n')
        timeline += await watch_for(stage, 60)
        stage.runtime.process_of("well").finish(code=1)
        stage.directory.remove("once")
        timeline += await watch_for(stage, 480)
    return timeline, stage


async def test_a_calendar_that_leaps_changes_nothing_that_is_done(autojump_clock: MockClock) -> None:
    chance = random.Random(20260131)
    steady, _ = await play(lambda: 1_770_000_000.0 + trio.current_time())
    leaping, stage = await play(lambda: 1_770_000_000.0 + chance.uniform(-1000, 1000) * DAY)
    assert leaping == steady
    methods = Counter(method for _, method, _ in steady)
    assert methods["create"] > 5
    assert methods["probe"] > 50
    shown = [state.since for state in stage.disk.names.values()]
    assert max(shown) - min(shown) > 100 * DAY, "people are shown the calendar as it is"


async def test_after_a_leap_all_that_was_due_is_done_once(autojump_clock: MockClock) -> None:
    async with open_stage(FILES, prepare) as stage:
        await watch_for(stage, 200)
        assert stage.state("crashing").next_retry_at is not None
        stage.directory.write("stubborn", FILES["stubborn"] + 'env.A = "1"\n')
        stage.directory.remove("once")
        await trio.sleep(0.5)
        before = stage.pids()
        autojump_clock.jump(7 * DAY)
        done = await watch_for(stage, 2)
        assert Counter((method, name) for _, method, name in done) == {
            # The wait is over, its stop has taken too long, the grace is over, and it was not asked for long.
            **{(method, "crashing"): 1 for method in ("create", "start", "remove")},
            **{(method, "stubborn"): 1 for method in ("remove", "create", "start")},
            ("probe", "well"): 1,
        }
        after = stage.pids()
        assert after.keys() == before.keys() - {"once"}
        assert (after["steady"], after["well"]) == (before["steady"], before["well"])
        # And then as before.
        assert Counter(name for _, method, name in await watch_for(stage, 100) if method == "probe") == {"well": 10}
