"""What an application says of itself or is found to be: readiness, health, more time; and standing down."""

import pytest
from attrs import evolve

from orchestrator.core.lifecycle import EXTENDED_AT_MOST, TAKEN_FOR_READY, WORDS, Effect, Event, Happening, step
from orchestrator.core.naming import is_ready, public_state
from orchestrator.core.outcome import retime
from orchestrator.model.life import Life, Outcome, Phase
from orchestrator.model.policy import OnExit
from orchestrator.model.spec import Policy
from orchestrator.model.state import PublicState
from tests.core.helpers_lifecycle import FAILURE, NOTIFIES, ONESHOT, SERVICE, START, SUCCESS, drive, exited

UNWELL = Happening(event=Event.UNWELL, message="health failed 3 times: connection refused")
STAYS = evolve(SERVICE, restart=evolve(SERVICE.restart, on_failure=OnExit.STOP))
"""Is not started again after a failure."""


def extend(seconds: float) -> Happening:
    return Happening(event=Event.EXTEND, seconds=seconds)


def test_each_start_waits_for_others_first_and_then_for_its_place() -> None:
    life, effects = drive(Event.GO)
    assert (life.phase, effects) == (Phase.BLOCKED, [Effect.AWAIT])
    assert public_state(life, has_problems=False) is PublicState.WAITING
    life, effects = drive(Event.UNBLOCKED, life=life)
    assert (life.phase, effects) == (Phase.WAITING, [Effect.ADMIT])
    life, effects = drive(*START, exited(FAILURE), Event.CLEANED, Event.DEADLINE)
    assert (life.phase, effects[-1], life.restarts) == (Phase.BLOCKED, Effect.AWAIT, 1)


def test_what_waits_for_others_is_halted_at_once_and_fails_nothing() -> None:
    life, effects = drive(Event.GO, Event.REPLACE, Event.STAND_DOWN, Event.HALT)
    assert (life.phase, life.outcome, life.failures) == (Phase.IDLE, Outcome.STOPPED, 0)
    assert effects == [Effect.AWAIT, Effect.UNAWAIT]


def test_an_operators_word_forgives_what_waits_for_others() -> None:
    life, _ = drive(*START, exited(FAILURE), Event.CLEANED, Event.DEADLINE, Event.GO)
    assert (life.phase, life.failures, life.message) == (Phase.BLOCKED, 0, "")


def test_readiness_is_heard_comes_and_goes() -> None:
    life, _ = drive(*START, policy=NOTIFIES, now=1.0)
    assert (life.deadline, is_ready(life, NOTIFIES)) == (31.0, False)
    life, _ = drive(Event.READY, life=life, policy=NOTIFIES, now=2.0)
    assert (life.deadline, life.ready_since, is_ready(life, NOTIFIES)) == (None, 2.0, True)
    life, _ = drive(Event.READY, life=life, policy=NOTIFIES, now=3.0)
    assert life.ready_since == 2.0, "said again it is as long ready as it was"
    sick = Happening(event=Event.UNREADY, message="connection refused")
    life, effects = drive(sick, life=life, policy=NOTIFIES, now=4.0)
    assert (life.phase, effects, life.ready_since, life.deadline) == (Phase.RUNNING, [], None, None)
    assert (life.message, life.failures) == ("connection refused", 0)
    life, _ = drive(Event.READY, life=life, policy=NOTIFIES, now=5.0)
    assert (life.message, life.ready_since) == ("", 5.0)


@pytest.mark.parametrize("event", sorted(WORDS, key=str))
@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in (Phase.RUNNING, Phase.STOPPING)])
def test_late_words_mean_nothing(event: Event, phase: Phase) -> None:
    life = Life(phase=phase, wanted=True, deadline=9.0, failures=1, message="exited with code 3")
    late = Happening(event=event, message="late", seconds=99.0)
    assert step(life, late, NOTIFIES, now=5.0, chance=0.5) == (life, ())


def test_what_is_not_ready_in_time_is_ended_and_has_failed_once() -> None:
    life, effects = drive(*START, policy=NOTIFIES)
    life, effects = drive(Event.DEADLINE, life=life, policy=NOTIFIES, now=30.0)
    assert (life.phase, effects, life.failures) == (Phase.STOPPING, [Effect.SIGNAL], 1)
    assert life.message == "it was not ready 30 s after its start"
    life, _ = drive(Event.READY, exited(SUCCESS), Event.CLEANED, life=life, policy=NOTIFIES, now=31.0)
    assert (life.phase, life.failures, life.was_ready) == (Phase.BACKOFF, 1, False)
    assert life.message == "it was not ready 30 s after its start"


def test_what_may_have_said_so_while_nobody_listened_is_taken_for_ready_when_its_time_is_up() -> None:
    life, _ = drive(*START, policy=NOTIFIES)
    life, effects = drive(Event.DEADLINE, life=evolve(life, unheard=True), policy=NOTIFIES, now=30.0)
    assert (life.phase, effects, life.failures) == (Phase.RUNNING, [], 0)
    assert (life.ready_since, life.was_ready, life.deadline, life.message) == (30.0, True, None, TAKEN_FOR_READY)
    life, _ = drive(exited(FAILURE), Event.CLEANED, Event.DEADLINE, *START[1:], life=life, policy=NOTIFIES)
    assert (life.unheard, life.was_ready) == (False, False), "of the next instance every word is heard"


def test_more_time_is_more_for_the_start_and_for_the_end() -> None:
    life, _ = drive(*START, extend(100.0), policy=NOTIFIES)
    assert life.deadline == 100.0
    life, _ = drive(extend(5.0), life=life, policy=NOTIFIES, now=1.0)
    assert life.deadline == 100.0, "it is never less"
    life, _ = drive(Event.READY, extend(5.0), life=life, policy=NOTIFIES, now=2.0)
    assert life.deadline is None, "what is ready has no deadline to put off"
    life, _ = drive(Event.HALT, extend(60.0), life=life, policy=NOTIFIES, now=3.0)
    assert (life.phase, life.deadline) == (Phase.STOPPING, 63.0)
    life, _ = drive(Event.DEADLINE, extend(60.0), life=life, policy=NOTIFIES, now=63.0)
    assert (life.phase, life.deadline) == (Phase.KILLING, 65.0)


def test_an_unwell_one_has_failed_however_it_exits_and_once() -> None:
    life, effects = drive(*START, UNWELL)
    assert (life.phase, effects[-1], life.failures) == (Phase.STOPPING, Effect.SIGNAL, 1)
    life, _ = drive(UNWELL, exited(SUCCESS), Event.CLEANED, life=life)
    assert (life.phase, life.failures, life.message) == (Phase.BACKOFF, 1, UNWELL.message)
    life, _ = drive(Event.DEADLINE, *START[1:], life=life)
    assert (life.unwell, life.message, life.failures) == ("", "", 1)
    life, _ = drive(*START, UNWELL, exited(SUCCESS), Event.CLEANED, policy=STAYS)
    assert (life.phase, life.outcome) == (Phase.IDLE, Outcome.FAILED)


def test_a_minute_of_being_ready_forgives_whatever_ends_it() -> None:
    ready, _ = drive(*START, policy=NOTIFIES)
    ready, _ = drive(Event.READY, life=evolve(ready, failures=5), policy=NOTIFIES)
    for event, failures in ((UNWELL, 1), (exited(FAILURE), 1), (Happening(event=Event.UNREADY, message="sick"), 0)):
        assert drive(event, life=ready, policy=NOTIFIES, now=60.0)[0].failures == failures
    assert drive(Event.STAND_DOWN, life=ready, policy=NOTIFIES, now=60.0)[0].failures == 0
    assert drive(Event.STAND_DOWN, life=ready, policy=NOTIFIES, now=59.0)[0].failures == 5


def test_a_stop_while_it_is_ended_for_being_unwell_is_a_stop() -> None:
    life, _ = drive(*START, UNWELL, Event.HALT, exited(FAILURE), Event.CLEANED)
    assert (life.phase, life.outcome, life.failures) == (Phase.IDLE, Outcome.STOPPED, 1)


@pytest.mark.parametrize("policy", [SERVICE, STAYS])
@pytest.mark.parametrize("event", [Event.GO, Event.REPLACE])
@pytest.mark.parametrize("rest", [(), (Event.DEADLINE,)])
def test_a_start_or_an_edit_while_it_is_ended_for_being_unwell_is_not_lost(
    policy: Policy, event: Event, rest: tuple[Event, ...]
) -> None:
    life, _ = drive(*START, UNWELL, policy=policy)
    life, _ = drive(*rest, event, exited(FAILURE), Event.CLEANED, life=life, policy=policy, now=99.0)
    assert (life.phase, life.failures, life.message) == (Phase.BLOCKED, 0, "")


def test_a_start_that_is_given_up_was_never_ready() -> None:
    life, effects = drive(*START[:-1], Event.STAND_DOWN, Event.STARTED)
    assert (life.phase, life.ready_since, life.was_ready) == (Phase.STOPPING, None, False)
    assert effects[-3:] == [Effect.RELEASE, Effect.WATCH, Effect.SIGNAL]


@pytest.mark.parametrize("steps", range(2, len(START) + 1))
def test_standing_down_ends_what_runs_or_starts_fails_nothing_and_waits_again(steps: int) -> None:
    life, _ = drive(*START[:steps], Event.STAND_DOWN)
    assert life.phase in (Phase.ABANDONING, Phase.STOPPING)
    answers = {2: (Event.ADMITTED,), 3: (Event.BUILT,), 4: (Event.CREATED,), 5: (Event.STARTED, exited(FAILURE))}
    life, effects = drive(*answers.get(steps, (exited(FAILURE),)), Event.CLEANED, life=life)
    assert (life.phase, life.wanted, effects[-1]) == (Phase.BLOCKED, True, Effect.AWAIT)
    assert (life.failures, life.restarts, life.outcome) == (0, 0, Outcome.NONE)


def test_standing_down_means_nothing_to_what_rests() -> None:
    completed, _ = drive(*START, exited(SUCCESS), Event.CLEANED, policy=ONESHOT)
    waits, _ = drive(*START, exited(FAILURE), Event.CLEANED)
    for life in (Life(), completed, waits):
        assert drive(Event.STAND_DOWN, life=life) == (life, [])


def test_a_stop_while_it_stands_down_is_a_stop() -> None:
    life, _ = drive(*START, Event.STAND_DOWN, Event.HALT, exited(FAILURE), Event.CLEANED)
    assert (life.phase, life.outcome, life.message) == (Phase.IDLE, Outcome.STOPPED, "")


def test_a_deadline_that_there_is_none_of_ends_nothing() -> None:
    life, _ = drive(*START)
    assert drive(Event.DEADLINE, life=life, now=1e9) == (life, [])


def test_no_word_puts_an_end_off_for_ever() -> None:
    life, _ = drive(*START, Event.READY, Event.HALT, policy=NOTIFIES)
    life, _ = drive(extend(1e13), life=life, policy=NOTIFIES, now=5.0)
    assert life.deadline == 5.0 + EXTENDED_AT_MOST
    life, _ = drive(extend(1e13), life=life, policy=NOTIFIES, now=7.0)
    assert life.deadline == 7.0 + EXTENDED_AT_MOST, "it may ask again"


def test_another_time_to_be_ready_begins_now() -> None:
    waits, _ = drive(*START, policy=NOTIFIES)
    other = evolve(NOTIFIES, start_timeout=5.0)
    assert retime(waits, NOTIFIES, other, 20.0).deadline == 25.0
    assert retime(waits, NOTIFIES, NOTIFIES, 20.0) == waits
    assert retime(waits, None, other, 20.0) == waits
    ready, _ = drive(Event.READY, life=waits, policy=NOTIFIES)
    assert retime(ready, NOTIFIES, other, 20.0) == ready
    ends, _ = drive(Event.HALT, life=waits, policy=NOTIFIES)
    assert retime(ends, NOTIFIES, other, 20.0) == ends
