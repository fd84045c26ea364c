"""The lifecycle: its table is whole, and its starts, ends, restarts and stops are as they should be."""

import pytest
from attrs import evolve

from orchestrator.core.exits import describe_exit
from orchestrator.core.lifecycle import (
    TABLE,
    WISHES,
    WORDS,
    Effect,
    Event,
    Happening,
    ImpossibleEventError,
    judge,
    step,
)
from orchestrator.core.naming import is_ready, public_state
from orchestrator.model.life import Exit, Life, Outcome, Phase
from orchestrator.model.policy import OnExit, Restart
from orchestrator.model.spec import Policy
from orchestrator.model.state import PublicState
from tests.core.helpers_lifecycle import FAILURE, ONESHOT, SERVICE, START, SUCCESS, drive, exited, fail_on, limited


def test_every_cell_exists() -> None:
    assert set(TABLE) == {(phase, event) for phase in Phase for event in Event}


def test_a_wish_a_word_and_a_deadline_are_heard_in_every_phase() -> None:
    for phase in Phase:
        for event in (*WISHES, *WORDS, Event.DEADLINE):
            assert TABLE[phase, event] is not None


def test_every_phase_is_reached_and_left() -> None:
    reached = {cell[0] for (phase, _), cell in TABLE.items() if cell is not None and cell[0] is not phase}
    left = {phase for (phase, _), cell in TABLE.items() if cell is not None and cell[0] is not phase}
    assert reached == set(Phase)
    assert left == set(Phase)


def test_an_answer_that_nobody_asked_for_is_a_defect() -> None:
    with pytest.raises(ImpossibleEventError, match="'built' in phase 'running'"):
        step(Life(phase=Phase.RUNNING), Happening(event=Event.BUILT), SERVICE, now=0, chance=0)


def test_a_start_takes_every_step_in_order() -> None:
    life, effects = drive(*START)
    assert life.phase is Phase.RUNNING
    asked = [Effect.AWAIT, Effect.ADMIT, Effect.BUILD, Effect.CREATE, Effect.START, Effect.RELEASE, Effect.WATCH]
    assert effects == asked
    assert is_ready(life, SERVICE)
    assert public_state(life, has_problems=False) is PublicState.RUNNING


def test_a_failing_service_waits_longer_each_time() -> None:
    life = Life()
    waits = []
    for _ in range(4):
        life, _ = drive(*(START if life.phase is Phase.IDLE else (Event.DEADLINE, *START[1:])), life=life)
        life, _ = drive(exited(FAILURE), Event.CLEANED, life=life)
        assert life.phase is Phase.BACKOFF
        assert life.deadline is not None
        waits.append(life.deadline)
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert life.restarts == 3
    assert life.message == "exited with code 3"


def test_a_minute_of_running_resets_the_backoff() -> None:
    life, _ = drive(*START, life=Life(failures=9))
    life = evolve(life, failures=9)
    life, _ = drive(exited(FAILURE), Event.CLEANED, life=life, now=61.0)
    assert life.failures == 1
    assert life.deadline == pytest.approx(61.1)


@pytest.mark.parametrize("event", [Event.GO, Event.REPLACE])
def test_an_operators_word_or_an_edit_ends_the_wait_and_forgives(event: Event) -> None:
    life, _ = drive(*START, exited(FAILURE), Event.CLEANED, event)
    assert life.phase is Phase.BLOCKED
    assert life.failures == 0


@pytest.mark.parametrize(
    ("policy", "ended", "state"),
    [
        (ONESHOT, SUCCESS, PublicState.COMPLETED),
        (ONESHOT, FAILURE, PublicState.BACKOFF),
        (SERVICE, SUCCESS, PublicState.BACKOFF),
        (evolve(SERVICE, restart=Restart(on_failure=OnExit.STOP, on_success=OnExit.STOP)), FAILURE, PublicState.FAILED),
        (
            evolve(SERVICE, restart=Restart(on_failure=OnExit.STOP, on_success=OnExit.STOP)),
            SUCCESS,
            PublicState.COMPLETED,
        ),
    ],
)
def test_what_an_exit_leads_to(policy: Policy, ended: Exit, state: PublicState) -> None:
    life, _ = drive(*START, exited(ended), Event.CLEANED, policy=policy)
    assert public_state(life, has_problems=False) is state


@pytest.mark.parametrize("ended", [FAILURE, SUCCESS])
def test_it_gives_up_after_so_many_restarts_within_the_window_whatever_they_were_for(ended: Exit) -> None:
    policy, life = limited(2), Life()
    for at in (0.0, 1.0):
        life = fail_on(life, policy, at=at, ended=ended)
        assert life.phase is Phase.BACKOFF
    life = fail_on(life, policy, at=2.0, ended=ended)
    assert (life.phase, life.outcome, life.restarts) == (Phase.IDLE, Outcome.FAILED, 2)
    assert life.message == f"gave up: 2 restarts within 1m; last: exited with code {ended.code}"
    assert public_state(life, has_problems=False) is PublicState.FAILED


def test_a_start_that_fails_counts_as_well() -> None:
    policy = limited(1)
    refused = Happening(event=Event.CREATE_FAILED, exit=Exit(at=0.0), message="no such file")
    life, _ = drive(Event.GO, Event.UNBLOCKED, Event.ADMITTED, Event.BUILT, refused, Event.CLEANED, policy=policy)
    assert life.phase is Phase.BACKOFF
    again = (Event.DEADLINE, Event.UNBLOCKED, Event.ADMITTED, Event.BUILT, refused, Event.CLEANED)
    life, _ = drive(*again, life=life, policy=policy, now=1.0)
    assert (life.phase, life.message) == (Phase.IDLE, "gave up: 1 restart within 1m; last: no such file")


def test_what_has_left_the_window_counts_no_more() -> None:
    policy, life = limited(2), Life()
    for at in (0.0, 30.0, 91.0, 152.0, 213.0):
        life = fail_on(life, policy, at=at)
        assert life.phase is Phase.BACKOFF, at
    life = fail_on(life, policy, at=214.0)
    assert (life.phase, life.restarts) == (Phase.IDLE, 5)


def test_none_at_all() -> None:
    life = fail_on(Life(), limited(0), at=0.0)
    assert (life.phase, life.outcome, life.restarts) == (Phase.IDLE, Outcome.FAILED, 0)
    assert life.message == "gave up: restart.max_restarts is 0; last: exited with code 3"


def test_what_is_not_restarted_anyway_does_not_give_up() -> None:
    life = fail_on(Life(), limited(0, on_failure=OnExit.STOP), at=0.0)
    assert (life.outcome, life.message) == (Outcome.FAILED, "exited with code 3")
    life = fail_on(Life(), limited(0, on_success=OnExit.STOP), at=0.0, ended=SUCCESS)
    assert (life.outcome, life.message) == (Outcome.COMPLETED, "exited with code 0")
    life, _ = drive(*START, Event.HALT, exited(FAILURE), Event.CLEANED, policy=limited(0))
    assert (life.outcome, life.message) == (Outcome.STOPPED, "")


@pytest.mark.parametrize("event", [Event.GO, Event.REPLACE])
def test_an_operators_word_or_an_edit_starts_what_gave_up_and_forgives(event: Event) -> None:
    policy, life = limited(1), Life()
    for at in (0.0, 1.0):
        life = fail_on(life, policy, at=at)
    assert life.outcome is Outcome.FAILED
    life, effects = drive(event, life=life, policy=policy, now=2.0)
    assert (effects, life.message) == ([Effect.AWAIT], "")
    life, _ = drive(*START[1:], exited(FAILURE), Event.CLEANED, life=life, policy=policy, now=3.0)
    assert life.phase is Phase.BACKOFF


def test_more_restarts_or_a_shorter_window_would_start_what_gave_up_and_time_alone_would_not() -> None:
    policy, life = limited(2), Life()
    for at in (0.0, 20.0, 40.0):
        life = fail_on(life, policy, at=at)
    assert life.phase is Phase.IDLE
    assert judge(life, policy) is judge(life, limited(1)) is Event.CLEANED_REST
    assert judge(life, limited(3)) is judge(life, limited(None)) is Event.CLEANED_RETRY
    assert judge(life, limited(2, window=10.0)) is Event.CLEANED_RETRY
    assert judge(life, limited(2, window=7200.0)) is Event.CLEANED_REST


def test_a_oneshot_is_ready_once_completed() -> None:
    life, _ = drive(*START, policy=ONESHOT)
    assert not is_ready(life, ONESHOT)
    life, _ = drive(exited(SUCCESS), Event.CLEANED, life=life, policy=ONESHOT)
    assert is_ready(life, ONESHOT)


def test_stop_asks_then_kills_then_kills_again() -> None:
    life, _ = drive(*START)
    life, effects = drive(Event.HALT, life=life)
    assert (life.phase, effects, life.deadline) == (Phase.STOPPING, [Effect.SIGNAL], 10.0)
    life, effects = drive(Event.DEADLINE, life=life, now=10.0)
    assert (life.phase, effects, life.deadline) == (Phase.KILLING, [Effect.KILL], 12.0)
    life, effects = drive(Event.DEADLINE, life=life, now=12.0)
    assert (life.phase, effects, life.deadline) == (Phase.KILLING, [Effect.KILL], 14.0)
    life, effects = drive(exited(Exit(signal=9, at=0)), Event.CLEANED, life=life)
    assert (life.phase, life.outcome, life.failures) == (Phase.IDLE, Outcome.STOPPED, 0)


def test_a_replacement_starts_at_once_after_the_old_has_gone() -> None:
    life, _ = drive(*START, Event.REPLACE, exited(FAILURE))
    life, effects = drive(Event.CLEANED, life=life)
    assert (life.phase, effects, life.failures) == (Phase.BLOCKED, [Effect.AWAIT], 0)


def test_a_start_that_is_no_longer_wanted_is_awaited_and_undone() -> None:
    life, effects = drive(Event.GO, Event.UNBLOCKED, Event.ADMITTED, Event.BUILT, Event.HALT)
    assert life.phase is Phase.ABANDONING
    life, effects = drive(Event.CREATED, life=life)
    assert effects == [Effect.RELEASE, Effect.CLEAN]
    life, effects = drive(Event.CLEANED, life=life)
    assert (life.phase, life.outcome) == (Phase.IDLE, Outcome.STOPPED)


def test_wanted_again_while_stopping_starts_anew() -> None:
    life, _ = drive(*START, Event.HALT, Event.GO, exited(FAILURE), Event.CLEANED)
    assert life.phase is Phase.BLOCKED


def test_what_cannot_be_removed_is_tried_again_and_said() -> None:
    life, _ = drive(*START, exited(FAILURE), Happening(event=Event.CLEAN_FAILED, message="device busy"))
    assert (life.phase, life.deadline, life.trouble) == (Phase.CLEANING, 5.0, "device busy")
    life, effects = drive(Event.DEADLINE, life=life)
    assert (effects, life.deadline) == ([Effect.CLEAN], None)
    life, _ = drive(Event.CLEANED, life=life)
    assert (life.trouble, life.message) == ("", "exited with code 3")


def test_exits_in_words() -> None:
    assert describe_exit(Exit(code=137, oom=True, at=0)) == "exited with code 137 (out of memory)"
    assert describe_exit(Exit(signal=9, at=0)) == "killed by signal 9"
    assert describe_exit(Exit(at=0)) == "ended; nobody saw how"
