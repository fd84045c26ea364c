"""An instance under care, over fakes and virtual time: when it is probed, what becomes of it, what people are told."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from orchestrator.core.lifecycle import TAKEN_FOR_READY
from orchestrator.model.action import Replace, Retune, Start, Stop
from orchestrator.model.health import HttpHealth, Notification, Proven, TcpHealth
from orchestrator.model.policy import Ready
from orchestrator.model.spec import Policy
from orchestrator.model.state import PublicState
from orchestrator.model.types import Duration
from orchestrator.ports import Operation
from orchestrator.tasks.health import LISTEN_AGAIN_AFTER
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_reconcile import Stage as WholeStage
from tests.tasks.helpers_reconcile import Wreck
from tests.tasks.helpers_reconcile import open_stage as open_whole_stage
from tests.tasks.helpers_supervise import POLICY, Stage, make_target, open_stage
from tests.tasks.helpers_takeover import open_next, operator_of

HEALTH = TcpHealth(port=80, period=Duration(10.0), start_period=Duration(1.0), failures=3)
PROBED = evolve(POLICY, health=HEALTH)
READY_BY_PROBE = evolve(PROBED, ready=Ready.HEALTHY)
READY_BY_WORD = evolve(POLICY, ready=Ready.NOTIFY)
WATCHED = evolve(POLICY, watchdog=30.0)
REFUSED = "connection refused"


def deaf(stage: Stage) -> None:
    """It ignores what asks it to end."""
    stage.runtime.set_program("web", FakeProgram(ignores=frozenset({signal.SIGTERM})))


@asynccontextmanager
async def running(policy: Policy, prepare: Callable[[Stage], None] = lambda stage: None) -> AsyncIterator[Stage]:
    """A container with this policy that runs."""
    async with open_stage(prepare) as stage:
        stage.web.tell(Start(make_target(policy=policy)))
        await stage.reach(PublicState.RUNNING)
        await wait_all_tasks_blocked()
        yield stage


def times_asked(stage: Stage) -> list[float]:
    """When it was probed, in seconds since it was first."""
    first = stage.prober.asked[0][0] if stage.prober.asked else 0.0
    return [round(at - first, 3) for at, _, _ in stage.prober.asked]


async def let_pass(seconds: float) -> None:
    await trio.sleep(seconds)
    await wait_all_tasks_blocked()


async def test_where_there_is_nothing_to_look_after_nothing_is_done(autojump_clock: MockClock) -> None:
    async with running(POLICY) as stage:
        before = trio.lowlevel.current_statistics()
        await let_pass(100_000)
        after = trio.lowlevel.current_statistics()
        assert (stage.prober.asked, stage.notify_sockets.opened) == ([], set())
        assert (after.tasks_living, after.seconds_to_next_deadline) == (before.tasks_living, float("inf"))
        assert (stage.state.healthy, stage.state.status_text) == (None, "")
        assert stage.disk.instances["web-000"].proven == Proven()


async def test_it_is_probed_often_until_it_is_well_and_then_seldom(autojump_clock: MockClock) -> None:
    async with running(READY_BY_PROBE, lambda stage: stage.prober.fail("web", REFUSED)) as stage:
        await let_pass(2.5)
        assert (stage.state.ready, stage.state.healthy, stage.state.message) == (False, None, "not ready: " + REFUSED)
        stage.prober.fail("web", "")
        await let_pass(20)
        assert times_asked(stage) == [0, 1, 2, 3, 13]
        assert (stage.state.ready, stage.state.healthy, stage.state.message) == (True, True, "")
        assert stage.disk.instances["web-000"].proven == Proven(ready=True, healthy=True)


async def test_a_failing_health_restarts_it_and_says_why(autojump_clock: MockClock) -> None:
    async with running(PROBED) as stage:
        stage.prober.fail("web", "HTTP 503")
        await let_pass(25)
        assert (stage.state.ready, stage.state.healthy, stage.state.message) == (True, False, "unhealthy: HTTP 503")
        process = stage.runtime.process_of("web")
        await let_pass(6)
        assert process.signals == [signal.SIGTERM]
        assert (stage.state.instance, stage.state.restarts, stage.state.failures) == ("web-001", 1, 1)
        assert stage.state.state is PublicState.RUNNING
        told = [state.message for state in stage.report.states if state.state is PublicState.STOPPING]
        assert set(told) == {"its health failed 3 times in a row: HTTP 503"}


async def test_what_never_becomes_well_is_ended_when_its_time_is_over(autojump_clock: MockClock) -> None:
    policy = evolve(READY_BY_PROBE, start_timeout=20.0)
    async with running(policy, lambda stage: stage.prober.fail("web", REFUSED)) as stage:
        await let_pass(19.5)
        assert stage.state.restarts == 0
        await let_pass(1)
        assert stage.state.restarts == 1


async def test_readiness_comes_and_goes_with_the_probes(autojump_clock: MockClock) -> None:
    async with running(READY_BY_PROBE) as stage:
        assert stage.state.ready
        stage.prober.fail("web", REFUSED)
        await let_pass(11)
        assert (stage.state.state, stage.state.ready) == (PublicState.RUNNING, False)
        assert stage.state.message == "not ready: connection refused"
        stage.prober.fail("web", "")
        await let_pass(10)
        assert (stage.state.ready, stage.state.message, stage.state.restarts) == (True, "", 0)


async def test_an_edit_holds_at_once(autojump_clock: MockClock) -> None:
    async with running(PROBED) as stage:
        await let_pass(5)
        seldom = evolve(PROBED, health=evolve(HEALTH, period=Duration(3600.0)))
        stage.web.tell(Retune(make_target(policy=seldom)))
        await let_pass(1000)
        assert times_asked(stage) == [0]
        often = evolve(PROBED, health=evolve(HEALTH, period=Duration(100.0)))
        stage.web.tell(Retune(make_target(policy=often)))
        await let_pass(250)
        assert times_asked(stage) == [0, 1005, 1105, 1205]
        assert stage.state.instance == "web-000"
        stage.web.tell(Retune(make_target(policy=POLICY)))
        await let_pass(1000)
        assert len(stage.prober.asked) == 4
        stage.web.tell(Retune(make_target(policy=PROBED)))
        await let_pass(0)
        assert len(stage.prober.asked) == 5


async def test_an_edit_breaks_off_a_probe_that_asks_something_else(autojump_clock: MockClock) -> None:
    def slow(stage: Stage) -> None:
        stage.prober.takes = 1000.0

    other = HttpHealth(port=80, timeout=Duration(3000.0))
    async with running(evolve(PROBED, health=evolve(HEALTH, timeout=Duration(3000.0))), slow) as stage:
        assert stage.prober.under_way == 1
        stage.web.tell(Retune(make_target(policy=evolve(PROBED, health=other))))
        await let_pass(0)
        assert stage.prober.under_way == 1
        assert [health for _, _, health in stage.prober.asked][1:] == [other]


@pytest.mark.parametrize("trouble", ["", "cannot probe it: no room"], ids=["answered", "not asked"])
@pytest.mark.parametrize("health", [None, HttpHealth(port=80)], ids=["without health", "with another"])
async def test_an_answer_that_comes_after_the_edit_says_nothing(
    autojump_clock: MockClock, health: HttpHealth | None, trouble: str
) -> None:
    def slow(stage: Stage) -> None:
        stage.prober.takes, stage.prober.unbroken = 2.0, True
        stage.prober.hinder("web", trouble)

    async with running(PROBED, slow) as stage:
        await let_pass(1)
        stage.web.tell(Retune(make_target(policy=evolve(PROBED, health=health))))
        await let_pass(1)
        assert (stage.state.instance, stage.state.healthy, stage.state.message) == ("web-000", None, "")
        assert stage.prober.under_way == (0 if health is None else 1)
        assert [asked for _, _, asked in stage.prober.asked] == [HEALTH, *([health] if health else [])]


@pytest.mark.parametrize("after", [PROBED, POLICY], ids=["with health", "without"])
async def test_an_edit_of_what_makes_it_ready_holds_at_once(autojump_clock: MockClock, after: Policy) -> None:
    async with running(READY_BY_PROBE, lambda stage: stage.prober.fail("web", REFUSED)) as stage:
        assert not stage.state.ready
        stage.web.tell(Retune(make_target(policy=after)))
        await let_pass(0)
        assert (stage.state.ready, stage.state.message, stage.state.instance) == (True, "", "web-000")


async def test_it_is_not_probed_while_it_is_stopped(autojump_clock: MockClock) -> None:
    async with running(evolve(PROBED, health=evolve(HEALTH, failures=1)), deaf) as stage:
        stage.prober.fail("web", REFUSED)
        await let_pass(9)
        stage.web.tell(Stop())
        await let_pass(5)
        assert times_asked(stage) == [0]
        await stage.until(lambda: stage.web.gone)
        assert "health" not in "".join(state.message for state in stage.report.states)


async def test_a_probe_under_way_is_broken_off_by_a_stop(autojump_clock: MockClock) -> None:
    def slow(stage: Stage) -> None:
        deaf(stage)
        stage.prober.takes = 1000.0

    async with running(evolve(PROBED, health=evolve(HEALTH, timeout=Duration(3000.0))), slow) as stage:
        assert stage.prober.under_way == 1
        stage.web.tell(Stop())
        await let_pass(1)
        assert stage.prober.under_way == 0


async def test_what_is_stopped_while_it_starts_is_never_probed(autojump_clock: MockClock) -> None:
    def slow(stage: Stage) -> None:
        deaf(stage)
        stage.runtime.delays["start"] = 5.0

    async with open_stage(slow) as stage:
        stage.web.tell(Start(make_target(policy=evolve(PROBED, watchdog=3.0))))
        await let_pass(1)
        stage.web.tell(Stop())
        await stage.reach(PublicState.STOPPING)
        await let_pass(9)
        assert stage.state.pid is not None
        assert (stage.prober.asked, stage.notify_sockets.opened) == ([], {"web-000"})
        await stage.until(lambda: stage.web.gone)
        assert stage.prober.asked == []


async def test_what_has_ended_is_not_asked_again(autojump_clock: MockClock) -> None:
    async with running(PROBED, lambda stage: stage.prober.end("web")) as stage:
        await let_pass(1000)
        assert times_asked(stage) == [0]
        assert stage.state.restarts == 0


async def test_what_cannot_be_asked_is_not_to_blame_and_people_are_told(autojump_clock: MockClock) -> None:
    async with running(evolve(READY_BY_PROBE, health=evolve(HEALTH, failures=1))) as stage:
        stage.prober.hinder("web", "cannot probe it: too many open files")
        await let_pass(100)
        assert (stage.state.ready, stage.state.restarts, stage.state.healthy) == (True, 0, True)
        assert stage.state.message == "cannot probe it: too many open files"
        stage.prober.hinder("web", "")
        await let_pass(10)
        assert stage.state.message == ""


async def test_what_it_says_is_heard(autojump_clock: MockClock) -> None:
    async with running(READY_BY_WORD) as stage:
        assert (stage.state.ready, stage.state.message) == (False, "not ready: it has not sent READY=1")
        assert stage.notify_sockets.opened == {"web-000"}
        stage.notify_sockets.say("web", Notification(ready=True, status="serving"))
        await let_pass(0)
        assert (stage.state.ready, stage.state.message, stage.state.status_text) == (True, "", "serving")
        stage.notify_sockets.say("web", Notification(reloading=True))
        await let_pass(0)
        assert (stage.state.ready, stage.state.message) == (False, "not ready: it reloads")
        stage.web.tell(Stop())
        await stage.until(lambda: stage.web.gone)
        assert stage.notify_sockets.opened == set()


@pytest.mark.parametrize("last", [Notification(ready=True), Notification(reloading=True)], ids=["ready", "reloading"])
async def test_one_that_never_stops_reloading_is_told_at_a_pace(autojump_clock: MockClock, last: Notification) -> None:
    async with running(READY_BY_WORD) as stage:
        written, told = len(stage.disk.calls_of("write_name")), len(stage.report.states)
        for number in range(500):
            stage.notify_sockets.say("web", Notification(ready=True, status=str(number)))
            stage.notify_sockets.say("web", Notification(reloading=True))
            await let_pass(0.02)
        stage.notify_sockets.say("web", last)
        await let_pass(3)
        assert len(stage.disk.calls_of("write_name")) - written < 30
        ready = [state.ready for state in stage.report.states[told:]]
        assert sum(before is not after for before, after in pairwise(ready)) <= 15
        assert (stage.state.ready, stage.state.status_text) == (last.ready, "499")
        assert stage.state.message == ("" if last.ready else "not ready: it reloads")
        # Nothing is left to wait for.
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == float("inf")


async def test_what_is_said_before_the_runtime_has_answered_is_heard(autojump_clock: MockClock) -> None:
    """The application begins before the command that starts it has ended."""
    async with open_stage() as stage:
        stage.runtime.delays["start"] = 5.0
        stage.web.tell(Start(make_target(policy=READY_BY_WORD)))
        await let_pass(1)
        stage.notify_sockets.say("web", Notification(ready=True))
        await stage.reach(PublicState.RUNNING)
        await stage.until(lambda: stage.state.ready)


async def test_a_start_without_its_socket_fails_and_is_tried_again(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.notify_sockets.fail("web")
        stage.web.tell(Start(make_target(policy=READY_BY_WORD)))
        await stage.reach(PublicState.BACKOFF)
        assert stage.state.message == "cannot listen at /run/notify/web-000/socket: no room"
        assert "start" not in stage.methods()
        await stage.reach(PublicState.RUNNING)
        assert stage.notify_sockets.opened == {"web-001"}


async def test_a_start_that_fails_gives_up_its_socket(autojump_clock: MockClock) -> None:
    async with open_stage() as stage:
        stage.runtime.fail("start", "no such program")
        stage.web.tell(Start(make_target(policy=READY_BY_WORD)))
        await stage.reach(PublicState.BACKOFF)
        assert stage.notify_sockets.opened == set()


async def test_who_does_not_say_that_it_is_ready_is_ended(autojump_clock: MockClock) -> None:
    async with running(evolve(READY_BY_WORD, start_timeout=20.0)) as stage:
        await let_pass(15)
        stage.notify_sockets.say("web", Notification(extend_timeout_usec=10_000_000))
        await let_pass(9.5)
        assert stage.state.instance == "web-000"
        await let_pass(1)
        assert (stage.state.instance, stage.state.restarts) == ("web-001", 1)


async def test_who_is_stopped_may_ask_for_more_time(autojump_clock: MockClock) -> None:
    async with running(READY_BY_WORD, deaf) as stage:
        process = stage.runtime.process_of("web")
        stage.web.tell(Stop())
        await let_pass(9)
        stage.notify_sockets.say("web", Notification(extend_timeout_usec=30_000_000))
        await let_pass(29)
        assert process.signals == [signal.SIGTERM]
        await stage.until(lambda: stage.web.gone)
        assert process.signals == [signal.SIGTERM, signal.SIGKILL]


async def test_a_silent_watchdog_restarts_it(autojump_clock: MockClock) -> None:
    async with running(WATCHED) as stage:
        for _ in range(10):
            await let_pass(29)
            stage.notify_sockets.say("web", Notification(watchdog=True))
        await let_pass(29)
        assert stage.state.instance == "web-000"
        await let_pass(2)
        assert (stage.state.instance, stage.state.restarts) == ("web-001", 1)
        told = {state.message for state in stage.report.states if state.state is PublicState.STOPPING}
        assert told == {"its watchdog was silent for 30 s"}


async def test_signs_of_life_wake_nobody(autojump_clock: MockClock) -> None:
    async with running(WATCHED) as stage:
        written = len(stage.disk.calls)
        for _ in range(100):
            await let_pass(1)
            stage.notify_sockets.say("web", Notification(watchdog=True))
        await let_pass(0)
        assert len(stage.disk.calls) == written


@pytest.mark.parametrize(("seconds", "ends"), [(5, True), (60, False), (0, False)])
async def test_another_interval_holds_at_once(autojump_clock: MockClock, seconds: int, ends: bool) -> None:
    async with running(WATCHED) as stage:
        await let_pass(20)
        stage.notify_sockets.say("web", Notification(watchdog_usec=seconds * 1_000_000))
        await let_pass(5.5)
        assert stage.state.restarts == (1 if ends else 0)
        await let_pass(20)
        # Another instance begins with the interval of the definition.
        assert stage.state.restarts == (1 if ends else 0)
        (state,) = stage.disk.instances.values()
        assert state.proven.watchdog == (None if ends else seconds)


async def test_an_application_may_ask_for_its_end(autojump_clock: MockClock) -> None:
    async with running(WATCHED) as stage:
        stage.notify_sockets.say("web", Notification(watchdog_trigger=True))
        await let_pass(1)
        assert (stage.state.instance, stage.state.restarts) == ("web-001", 1)


async def test_after_a_replacement_the_new_one_is_looked_after(autojump_clock: MockClock) -> None:
    async with running(PROBED) as stage:
        await let_pass(5)
        stage.web.tell(Replace(make_target("b", policy=evolve(PROBED, ready=Ready.NOTIFY))))
        await stage.reach_bundle("b")
        await let_pass(0)
        assert stage.notify_sockets.opened == {"web-001"}
        assert times_asked(stage)[:2] == [0, 5]


# A next agent

DEFINED = 'args = ["/usr/bin/web"]\nrootfs = "host"\n'


def told(stage: WholeStage) -> tuple[str | None, bool, bool | None, int]:
    state = stage.state("web")
    return (state.instance, state.ready, state.healthy, state.restarts)


async def test_a_next_agent_goes_on_with_what_was_well(autojump_clock: MockClock) -> None:
    text = DEFINED + 'ready = "healthy"\nhealth = { type = "tcp", port = 80 }\n'
    async with open_whole_stage({"web": text}) as stage:
        assert told(stage) == ("web-000", True, True, 0)
        wreck = Wreck(stage)

    def fails(next_stage: WholeStage) -> None:
        next_stage.prober.fail("web", REFUSED)

    async with open_next({"web": text}, wreck, fails) as stage:
        await stage.reporter.wait_settled()
        # What has been well once has no more patience to ask for.
        assert told(stage) == ("web-000", False, False, 0)
        await trio.sleep(21)
        await stage.reporter.wait_settled()
        assert told(stage)[0] == "web-001"


async def test_what_is_taken_for_ready_is_not_said_to_be_silent(autojump_clock: MockClock) -> None:
    text = DEFINED + 'ready = "notify"\nstart_timeout = "20s"\n'
    async with open_whole_stage({"web": text}) as stage:
        await let_pass(5)
        assert stage.state("web").state is PublicState.RUNNING
        wreck = Wreck(stage)
    async with open_next({"web": text}, wreck, settled=False) as stage:
        await let_pass(19)
        assert (told(stage)[1], stage.state("web").message) == (False, "not ready: it has not sent READY=1")
        await let_pass(2)
        assert (told(stage)[1], stage.state("web").message) == (True, TAKEN_FOR_READY)
        stage.notify_sockets.say("web", Notification(reloading=True))
        await let_pass(0)
        assert (told(stage)[1], stage.state("web").message) == (False, "not ready: it reloads")


async def test_a_next_agent_does_not_probe_what_is_being_stopped(autojump_clock: MockClock) -> None:
    text = DEFINED + 'health = { type = "tcp", port = 80 }\n'
    ignoring = FakeProgram(ignores=frozenset({signal.SIGTERM}))
    async with open_whole_stage({"web": text}, lambda stage: stage.runtime.set_program("web", ignoring)) as stage:
        operator_of(stage).operate(Operation.STOP, ["web"])
        await let_pass(1)
        wreck = Wreck(stage)
    async with open_next({"web": text}, wreck, settled=False) as stage:
        await let_pass(8)
        assert stage.state("web").state is PublicState.STOPPING
        await let_pass(2)
        assert (stage.state("web").state, stage.prober.asked) == (PublicState.STOPPED, [])


async def test_a_next_agent_listens_to_what_an_earlier_one_listened_to(autojump_clock: MockClock) -> None:
    text = DEFINED + 'ready = "notify"\nwatchdog = "30s"\n'
    said = Notification(ready=True, status="serving", watchdog_usec=20_000_000)

    async with open_whole_stage({"web": text}, lambda stage: stage.notify_sockets.begin_with("web", said)) as stage:
        assert stage.notify_sockets.opened == {"web-000"}
        assert told(stage) == ("web-000", True, None, 0)
        wreck = Wreck(stage)

    def hinder(next_stage: WholeStage) -> None:
        next_stage.notify_sockets.fail("web", times=8)

    async with open_next({"web": text}, wreck, hinder) as stage:
        # As long as nobody listens nobody is to blame for silence.
        await trio.sleep(LISTEN_AGAIN_AFTER * 7)
        assert told(stage) == ("web-000", True, None, 0)
        assert stage.lines.count("web: cannot listen at /run/notify/web-000/socket: no room") == 1
        assert stage.state("web").status_text == "serving"
        await trio.sleep(LISTEN_AGAIN_AFTER + 19)
        assert stage.notify_sockets.opened == {"web-000"}
        assert told(stage)[0] == "web-000"
        await trio.sleep(2)
        await stage.reporter.wait_settled()
        assert told(stage)[0] == "web-001"
