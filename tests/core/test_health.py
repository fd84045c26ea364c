"""What is known of an instance's health: when it is asked, what counts, and what its life is told of it."""

import math
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.health import (
    Care,
    begin_care,
    next_probe,
    next_time,
    note_edit,
    note_end,
    note_listening,
    note_not_asked,
    note_probe,
    note_time,
    note_word,
    report_health,
    show_health,
    silence_ends,
)
from orchestrator.core.lifecycle import EXTENDED_AT_MOST, Event, Happening
from orchestrator.core.notify import parse_notification
from orchestrator.model.health import HealthReport, HttpHealth, Notification, Proven, TcpHealth
from orchestrator.model.policy import OnExit, Ready, Restart, Stop
from orchestrator.model.spec import Policy
from orchestrator.model.types import Duration

HEALTH = TcpHealth(port=80, period=Duration(10.0), start_period=Duration(1.0), failures=3)
PLAIN = Policy(oneshot=False, restart=Restart(on_success=OnExit.RESTART), stop=Stop())
PROBED = evolve(PLAIN, health=HEALTH, start_timeout=60.0)
READY_BY_PROBE = evolve(PROBED, ready=Ready.HEALTHY)
READY_BY_WORD = evolve(PLAIN, ready=Ready.NOTIFY)
WATCHED = evolve(PLAIN, watchdog=30.0)
REFUSED = "connection refused"
READY = Happening(event=Event.READY)


class Patient:
    """One instance under care, all that its life was told, and all that people saw."""

    def __init__(self, policy: Policy, proven: Proven | None = None, *, now: float = 100.0) -> None:
        self.policy, self.now = policy, now
        self.care = begin_care(policy, now, proven)
        self.told: list[Happening] = []
        self.seen: list[HealthReport] = []

    def _take(self, result: tuple[Care, tuple[Happening, ...]]) -> None:
        care, happened = result
        self.told += happened
        before, self.care = self.care.shown, show_health(care, self.policy, now=self.now)
        if self.care.shown != before:
            self.seen.append(self.care.shown)

    def probe(self, *answers: str) -> None:
        """Be asked as often as there are answers, each time when it is due."""
        for why in answers:
            self.now = max(self.now, self.due)
            self._take(note_probe(self.care, self.policy, why, began=self.now, now=self.now))

    def say(self, message: str) -> None:
        said = parse_notification(message.encode())
        assert said is not None
        self._take(note_word(self.care, self.policy, said, now=self.now))

    def let_pass(self, seconds: float) -> None:
        self.now += seconds
        self._take(note_time(self.care, self.policy, now=self.now))

    def wait(self) -> None:
        """Until time alone changes nothing any more, its watchdog aside."""
        while (at := next_time(self.care, self.policy, heard=False)) < math.inf:
            assert at > self.now, "what is due is done"
            self.let_pass(at - self.now)

    def edit(self, policy: Policy) -> None:
        before, self.policy = self.policy, policy
        self._take(note_edit(self.care, before, policy, now=self.now))

    @property
    def due(self) -> float:
        return next_probe(self.care, self.policy)

    @property
    def silence_ends(self) -> float:
        return silence_ends(self.care, self.policy)

    @property
    def message(self) -> str:
        return report_health(self.care, self.policy).message

    @property
    def healthy(self) -> bool | None:
        return report_health(self.care, self.policy).healthy


def unready(why: str) -> Happening:
    return Happening(event=Event.UNREADY, message=f"not ready: {why}")


def unwell(why: str) -> Happening:
    return Happening(event=Event.UNWELL, message=why)


def test_without_health_it_is_never_asked() -> None:
    patient = Patient(PLAIN)
    assert (patient.due, patient.silence_ends) == (math.inf, math.inf)
    assert (patient.healthy, patient.message, patient.told) == (None, "", [])


def test_it_is_asked_at_once_then_often_then_seldom() -> None:
    patient = Patient(PROBED)
    assert patient.due == 100.0
    patient.probe(REFUSED)
    assert patient.due == 101.0
    patient.probe(REFUSED)
    assert patient.due == 102.0
    patient.probe("")
    assert patient.due == 112.0
    patient.probe(REFUSED)
    assert patient.due == 122.0


def test_an_edited_period_counts_from_the_last_probe() -> None:
    patient = Patient(PROBED)
    patient.probe("")
    patient.edit(evolve(PROBED, health=evolve(HEALTH, period=Duration(3600.0))))
    assert patient.due == 3700.0
    patient.now = 150.0
    patient.edit(evolve(PROBED, health=evolve(HEALTH, period=Duration(2.0))))
    assert patient.due == 102.0  # at once, then
    assert patient.told == []


def test_failures_before_the_first_success_do_not_count() -> None:
    patient = Patient(PROBED)
    patient.probe(*[REFUSED] * 60)
    assert patient.now == 159.0
    assert (patient.healthy, patient.message, patient.told) == (None, "", [])
    patient.probe("")
    assert patient.healthy is True


def test_until_its_time_to_start_is_over() -> None:
    patient = Patient(PROBED)
    patient.probe(*[REFUSED] * 62)
    assert (patient.healthy, patient.message, patient.told) == (False, "unhealthy: connection refused", [])
    patient.probe(REFUSED)
    assert patient.told == [unwell("its health failed 3 times in a row: connection refused")]


def test_it_may_ask_for_patience() -> None:
    patient = Patient(evolve(PROBED, ready=Ready.NOTIFY))
    patient.say("EXTEND_TIMEOUT_USEC=120000000")
    patient.probe(*[REFUSED] * 122)
    assert patient.told == [Happening(event=Event.EXTEND, seconds=120.0)]
    assert patient.message == "not ready: it has not sent READY=1"
    patient.probe(REFUSED)
    assert patient.told[1:] == [unwell("its health failed 3 times in a row: connection refused")]


def test_failures_in_a_row_end_it() -> None:
    patient = Patient(PROBED)
    patient.probe("", REFUSED, REFUSED, "", "HTTP 503", "HTTP 503")
    assert (patient.healthy, patient.message, patient.told) == (False, "unhealthy: HTTP 503", [])
    patient.probe("HTTP 500")
    assert patient.told == [unwell("its health failed 3 times in a row: HTTP 500")]
    assert patient.due == math.inf


def test_one_may_be_enough() -> None:
    patient = Patient(evolve(PROBED, health=evolve(HEALTH, failures=1)))
    patient.probe("", REFUSED)
    assert patient.told == [unwell("its health failed: connection refused")]


def test_it_is_ready_as_long_as_its_last_probe_succeeded() -> None:
    patient = Patient(READY_BY_PROBE)
    patient.probe(REFUSED)
    assert (patient.told, patient.message) == ([], "not ready: connection refused")
    patient.probe("", "")
    assert (patient.told, patient.message) == ([READY], "")
    patient.probe(REFUSED, "HTTP 503")
    assert patient.told == [READY, unready(REFUSED)]
    assert patient.message == "not ready: HTTP 503"
    patient.probe("")
    assert patient.told == [READY, unready(REFUSED), READY]


def test_who_is_ready_by_something_else_stays_ready() -> None:
    for policy in (PROBED, evolve(PROBED, ready=Ready.NOTIFY)):
        patient = Patient(policy)
        patient.say("READY=1")
        before = list(patient.told)
        patient.probe("", REFUSED)
        assert patient.told == before
        assert patient.message == "unhealthy: connection refused"


def test_what_could_not_be_asked_says_nothing() -> None:
    patient = Patient(evolve(READY_BY_PROBE, health=evolve(HEALTH, failures=1)))
    patient.probe("")
    patient.care = note_not_asked(patient.care, "cannot probe it: no file descriptors left", began=patient.due)
    assert (patient.healthy, patient.due) == (True, 120.0)
    assert patient.message == "cannot probe it: no file descriptors left"
    patient.probe("")
    assert (patient.told, patient.message) == ([READY], "")


def test_what_is_asked_anew_begins_anew() -> None:
    patient = Patient(READY_BY_PROBE)
    patient.probe("", REFUSED, REFUSED)
    patient.edit(evolve(READY_BY_PROBE, health=HttpHealth(port=80)))
    assert (patient.due, patient.healthy, patient.message) == (patient.now, None, "")
    patient.probe(*[REFUSED] * 50)
    assert patient.told == [READY, unready(REFUSED)]
    patient.probe("")
    assert patient.told[2:] == [READY]


def test_a_ready_instance_bears_an_edit_that_asks_in_vain_for_as_long_as_a_start() -> None:
    patient = Patient(READY_BY_PROBE)
    patient.probe("")
    patient.edit(evolve(READY_BY_PROBE, health=TcpHealth(port=81)))
    patient.probe(*[REFUSED] * 60)
    assert (patient.told, patient.message) == ([READY], "")
    patient.probe(*[REFUSED] * 3)
    assert patient.told[1] == unready(REFUSED)
    assert patient.told[2] == unwell("its health failed 3 times in a row: connection refused")


def test_health_may_come_and_go() -> None:
    patient = Patient(PLAIN)
    patient.edit(PROBED)
    assert patient.due == patient.now
    patient.probe("", REFUSED)
    patient.edit(PLAIN)
    assert (patient.due, patient.healthy, patient.message) == (math.inf, None, "")


@pytest.mark.parametrize(
    ("before", "answers", "after", "told"),
    [
        # It was not to be ready before; now it is since it was started.
        (READY_BY_PROBE, [REFUSED], PROBED, [READY]),
        (PROBED, [""], READY_BY_PROBE, []),
        (PROBED, ["", REFUSED], READY_BY_PROBE, [unready(REFUSED)]),
        (PROBED, [REFUSED], READY_BY_PROBE, []),
    ],
)
def test_an_edit_of_what_makes_it_ready_holds_at_once(
    before: Policy, answers: list[str], after: Policy, told: list[Happening]
) -> None:
    patient = Patient(before)
    patient.probe(*answers)
    assert patient.told == []
    patient.edit(after)
    assert patient.told == told


def test_it_says_itself_when_it_is_ready() -> None:
    patient = Patient(READY_BY_WORD)
    assert patient.message == "not ready: it has not sent READY=1"
    patient.say("READY=1\nSTATUS=serving")
    patient.say("READY=1")
    assert (patient.told, patient.message) == ([READY], "")
    assert report_health(patient.care, patient.policy).status_text == "serving"
    patient.say("RELOADING=1")
    assert patient.told == [READY, unready("it reloads")]
    patient.let_pass(60.0)
    patient.say("READY=1")
    patient.say("STOPPING=1")
    assert patient.told[2:] == [READY, unready("it stops")]
    assert patient.message == "not ready: it stops"


def test_who_is_ready_by_something_else_is_not_asked_for_its_word() -> None:
    for policy in (WATCHED, evolve(WATCHED, health=HEALTH, ready=Ready.HEALTHY)):
        patient = Patient(policy)
        patient.say("READY=1\nSTATUS=up")
        patient.say("RELOADING=1")
        assert patient.told == []
        assert report_health(patient.care, patient.policy).status_text == "up"


def test_a_reload_is_told_at_once_and_many_at_a_pace() -> None:
    patient = Patient(READY_BY_WORD)
    patient.say("READY=1")
    patient.let_pass(60.0)
    patient.told.clear()
    patient.say("RELOADING=1")
    patient.say("READY=1")
    assert patient.told == [unready("it reloads"), READY]
    patient.say("STOPPING=1")
    assert (patient.told[2:], patient.care.shown.message) == ([], "")
    assert next_time(patient.care, patient.policy, heard=True) == 161.0
    patient.let_pass(0.9)
    assert patient.told[2:] == []
    patient.let_pass(0.1)
    assert (patient.told[2:], patient.care.shown.message) == ([unready("it stops")], "not ready: it stops")


def test_what_is_taken_back_while_it_is_held_back_is_never_told() -> None:
    patient = Patient(READY_BY_WORD)
    for word in ("READY=1", "RELOADING=1", "READY=1", "RELOADING=1"):
        patient.say(word)
    assert next_time(patient.care, patient.policy, heard=True) == math.inf
    patient.let_pass(60.0)
    assert (patient.told, patient.message) == ([READY, unready("it reloads")], "not ready: it reloads")


@pytest.mark.parametrize("last", ["READY=1", "RELOADING=1"])
@pytest.mark.parametrize("reloads", [10, 1000])
def test_one_that_never_stops_reloading(reloads: int, last: str) -> None:
    patient = Patient(READY_BY_WORD)
    for _ in range(reloads):
        for word in ("READY=1", "RELOADING=1"):
            patient.say(word)
            patient.let_pass(1 / 128)
    patient.say(last)
    patient.wait()
    seconds = patient.now - 100.0
    assert len(patient.told) <= seconds + 2
    assert len(patient.seen) <= 2 * (seconds + 2)
    assert patient.told[-1] == (READY if last == "READY=1" else unready("it reloads"))
    assert patient.care.shown.message == ("" if last == "READY=1" else "not ready: it reloads")


def test_flapping_probes_are_told_at_a_pace() -> None:
    often = evolve(HEALTH, period=Duration(0.125), start_period=Duration(0.125))
    patient = Patient(evolve(READY_BY_PROBE, health=often))
    patient.probe(*["", REFUSED] * 40)
    patient.wait()
    assert len(patient.told) <= patient.now - 100.0 + 2
    assert patient.told[-1] == unready(REFUSED)


def test_what_it_says_of_itself_is_shown_at_a_pace() -> None:
    patient = Patient(PLAIN)
    for number in range(1280):
        patient.say(f"STATUS={number}")
        patient.let_pass(1 / 128)
    assert len(patient.seen) <= 10 + 2
    patient.wait()
    assert patient.care.shown.status_text == "1279"


def test_an_edit_is_told_at_once_whatever_was_told_of_late() -> None:
    patient = Patient(READY_BY_WORD)
    for word in ("READY=1", "RELOADING=1"):
        patient.say(word)
    patient.edit(PLAIN)
    assert (patient.told[2:], patient.care.shown.message) == ([READY], "")


def test_more_time_is_asked_for() -> None:
    patient = Patient(READY_BY_WORD)
    patient.say("EXTEND_TIMEOUT_USEC=1500000")
    assert patient.told == [Happening(event=Event.EXTEND, seconds=1.5)]
    patient.care = note_end(patient.care)
    patient.say("EXTEND_TIMEOUT_USEC=2000000")
    assert patient.told[1:] == [Happening(event=Event.EXTEND, seconds=2.0)]


def test_a_watchdog_bites() -> None:
    patient = Patient(WATCHED)
    assert patient.silence_ends == 130.0
    patient.let_pass(29.0)
    patient.say("WATCHDOG=1")
    patient.let_pass(29.0)
    patient.say("STATUS=still there")  # which is no sign of life, as systemd has it
    assert (patient.told, patient.silence_ends) == ([], 159.0)
    patient.let_pass(1.0)
    assert patient.told == [unwell("its watchdog was silent for 30 s")]
    assert patient.silence_ends == math.inf
    patient.let_pass(100.0)
    assert len(patient.told) == 1


def test_a_watchdog_waits_for_what_is_not_ready_yet() -> None:
    patient = Patient(evolve(WATCHED, ready=Ready.NOTIFY))
    assert patient.silence_ends == math.inf
    patient.let_pass(50.0)
    patient.say("READY=1")
    assert patient.silence_ends == 180.0
    early = Patient(evolve(WATCHED, ready=Ready.NOTIFY))
    early.say("WATCHDOG=1")
    assert early.silence_ends == 130.0


def test_it_may_promise_another_interval() -> None:
    patient = Patient(WATCHED)
    patient.let_pass(20.0)
    patient.say("WATCHDOG_USEC=5000000")
    assert patient.silence_ends == 125.0
    assert patient.care.proven == Proven(ready=True, watchdog=5.0)
    patient.say("WATCHDOG_USEC=0")
    assert patient.silence_ends == math.inf
    unasked = Patient(READY_BY_WORD)
    unasked.say("WATCHDOG_USEC=5000000")
    assert unasked.silence_ends == math.inf
    unasked.say("READY=1")
    assert unasked.silence_ends == 105.0


def test_it_may_ask_for_its_end() -> None:
    patient = Patient(WATCHED)
    patient.say("WATCHDOG=trigger")
    patient.say("WATCHDOG=trigger")
    assert patient.told == [unwell("it has asked for its end (WATCHDOG=trigger)")]


def test_what_is_ended_is_left_alone() -> None:
    patient = Patient(evolve(READY_BY_PROBE, watchdog=30.0))
    patient.probe("")
    patient.care = note_end(patient.care)
    assert (patient.due, patient.silence_ends) == (math.inf, math.inf)
    patient.let_pass(1000.0)
    patient.say("WATCHDOG=trigger")
    assert patient.told == [READY]


def test_a_next_agent_knows_what_was_proven() -> None:
    fresh = Patient(evolve(READY_BY_PROBE, watchdog=30.0))
    assert (fresh.care.proven, fresh.silence_ends) == (Proven(), math.inf)
    fresh.probe("")
    adopted = Patient(fresh.policy, fresh.care.proven, now=500.0)
    assert (adopted.due, adopted.silence_ends) == (500.0, 530.0)
    adopted.probe(REFUSED)
    assert adopted.told == [unready(REFUSED)]
    assert adopted.due == 510.0


def test_a_next_agent_does_not_take_silence_for_a_word() -> None:
    adopted = Patient(READY_BY_WORD, Proven(ready=True, watchdog=7.0))
    assert (adopted.message, adopted.told, adopted.silence_ends) == ("", [], 107.0)
    adopted.say("RELOADING=1")
    assert adopted.told == [unready("it reloads")]


def test_what_is_ended_at_its_first_failure_has_nothing_left_to_tell() -> None:
    once = evolve(READY_BY_PROBE, health=evolve(HEALTH, failures=1))
    patient = Patient(evolve(once, ready=Ready.STARTED))
    patient.probe("")
    patient.edit(once)
    patient.probe(REFUSED)
    assert [happening.event for happening in patient.told] == [Event.UNWELL]
    assert next_time(patient.care, once, heard=True) == math.inf


def test_patience_that_was_asked_for_has_a_bound() -> None:
    patient = Patient(PROBED)
    patient.say(f"EXTEND_TIMEOUT_USEC={10**18}")
    patient.told.clear()
    patient.now += EXTENDED_AT_MOST - 1
    patient.probe(REFUSED)
    assert patient.told == []
    patient.now += 1
    patient.probe(REFUSED, REFUSED, REFUSED)
    assert [happening.event for happening in patient.told] == [Event.UNWELL]


def test_nobody_is_blamed_for_what_was_not_heard() -> None:
    patient = Patient(WATCHED)
    patient.care = note_listening(patient.care, now=160.0)
    assert patient.silence_ends == 190.0
    quiet = Patient(READY_BY_WORD)
    assert note_listening(quiet.care, now=160.0) == quiet.care


WORDS = st.builds(
    Notification,
    ready=st.booleans(),
    stopping=st.booleans(),
    reloading=st.booleans(),
    status=st.none() | st.just("x"),
    watchdog=st.booleans(),
    watchdog_trigger=st.booleans(),
    watchdog_usec=st.none() | st.integers(0, 10**8),
    extend_timeout_usec=st.none() | st.integers(0, 10**9),
)
POLICIES = st.builds(
    lambda ready, health, watchdog: evolve(PLAIN, ready=ready, health=health, watchdog=watchdog),
    st.sampled_from(Ready),
    st.sampled_from([HEALTH, TcpHealth(port=81, failures=1)]),
    st.none() | st.sampled_from([1.0, 30.0]),
)
STEPS = st.lists(
    st.tuples(st.just("probe"), st.sampled_from(["", REFUSED]))
    | st.tuples(st.just("word"), WORDS)
    | st.tuples(st.just("time"), st.floats(0, 50))
    | st.tuples(st.just("edit"), POLICIES)
    | st.tuples(st.just("not asked"), st.none())
    | st.tuples(st.just("end"), st.none()),
    max_size=40,
)


@given(POLICIES, STEPS)
def test_whatever_happens(policy: Policy, steps: list[tuple[str, Any]]) -> None:
    patient = Patient(policy)
    for kind, given_to in steps:
        match kind:
            case "probe":
                patient.now += 0.1
                patient._take(note_probe(patient.care, patient.policy, given_to, began=patient.now, now=patient.now))
            case "word":
                patient._take(note_word(patient.care, patient.policy, given_to, now=patient.now))
            case "time":
                patient.let_pass(given_to)
            case "edit":
                patient.edit(given_to)
            case "not asked":
                patient._take((note_not_asked(patient.care, "no room", began=patient.now), ()))
            case _:
                patient.care = note_end(patient.care)
        assert "\n" not in patient.message
    believed = True if policy.ready is Ready.STARTED else None
    for happening in patient.told:
        if happening.event in (Event.READY, Event.UNREADY):
            ready = happening.event is Event.READY
            assert believed is not ready, "its life is told what is new"
            assert ready is not happening.message.startswith("not ready: ")
            believed = ready
    assert patient.care.told is believed
    patient.wait()
    assert patient.care.shown == report_health(patient.care, patient.policy)
    ends = [happening.message for happening in patient.told if happening.event is Event.UNWELL]
    assert len(ends) <= 1
    assert all(ends)
