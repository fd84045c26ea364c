"""The rules of order among containers: what is to be expected of a name, and what its turn lets it do."""

import itertools

import pytest
from attrs import evolve

from orchestrator.core.lifecycle import Event
from orchestrator.core.order import (
    NOWHERE,
    Named,
    Outlook,
    Prospect,
    Seat,
    Turn,
    Wish,
    choose_event,
    describe_turn,
    foresee,
    list_awaited,
    list_missing,
    take_seat,
)
from orchestrator.model.life import Life, Outcome, Phase
from orchestrator.model.spec import Policy
from tests.core.helpers_lifecycle import FAILURE, NOTIFIES, ONESHOT, SERVICE, START, SUCCESS, drive, exited

READY, COMING, STOPPED, FAILED, ENDED, ABSENT = Prospect
RUNNING, _ = drive(*START)
COMPLETED, _ = drive(*START, exited(SUCCESS), Event.CLEANED, policy=ONESHOT)
BLOCKED, _ = drive(Event.GO)
NEEDS = evolve(SERVICE, after=("log",), requires=("db",))


def outlook(life: Life, policy: Policy = SERVICE, wish: Wish = Wish.RUN, **others: Prospect) -> Outlook:
    """What is to be expected of what has heard all; others: what is of the others."""
    known = {name: Outlook(prospect, rests=prospect is not COMING) for name, prospect in others.items()}
    return foresee(take_seat(life, policy, valid=True), wish, known, heard=True)


@pytest.mark.parametrize(
    ("life", "policy", "expected"),
    [
        (RUNNING, SERVICE, Outlook(READY, rests=True)),
        (RUNNING, ONESHOT, Outlook(COMING, rests=False)),
        (COMPLETED, ONESHOT, Outlook(READY, rests=True)),
        (COMPLETED, SERVICE, Outlook(ENDED, rests=True)),
        (Life(wanted=True, outcome=Outcome.FAILED), SERVICE, Outlook(FAILED, rests=True)),
        (Life(outcome=Outcome.STOPPED), SERVICE, Outlook(STOPPED, rests=True)),
        (Life(), SERVICE, Outlook(COMING, rests=True)),
        (drive(*START, exited(FAILURE), Event.CLEANED)[0], SERVICE, Outlook(COMING, rests=True)),
        (drive(*START, policy=NOTIFIES)[0], NOTIFIES, Outlook(COMING, rests=False)),
        (drive(*START, Event.READY, Event.UNREADY, policy=NOTIFIES)[0], NOTIFIES, Outlook(COMING, rests=True)),
        (drive(*START, Event.REPLACE)[0], SERVICE, Outlook(COMING, rests=False)),
        (evolve(RUNNING, phase=Phase.CLEANING, ready_since=None, deadline=5.0), SERVICE, Outlook(COMING, rests=True)),
    ],
)
def test_what_is_to_be_expected_of_a_life(life: Life, policy: Policy, expected: Outlook) -> None:
    assert outlook(life, policy) == expected


def test_what_was_never_valid_or_is_gone_is_absent() -> None:
    assert foresee(take_seat(Life(), None, valid=False), Wish.RUN, {}, heard=True) == NOWHERE
    assert foresee(take_seat(Life(wanted=True), SERVICE, valid=False), Wish.RUN, {}, heard=True) == NOWHERE
    assert outlook(RUNNING, wish=Wish.LEAVE) == NOWHERE


def test_what_runs_with_a_broken_definition_is_ready() -> None:
    assert foresee(take_seat(RUNNING, SERVICE, valid=False), Wish.RUN, {}, heard=True).prospect is READY


def test_what_is_held_is_stopped_before_it_has_heard_of_it_unless_it_has_completed() -> None:
    assert outlook(RUNNING, wish=Wish.HOLD).prospect is STOPPED
    assert outlook(COMPLETED, ONESHOT, wish=Wish.HOLD).prospect is READY


def test_what_has_not_heard_what_it_is_to_be_may_still_come() -> None:
    for life, policy in ((RUNNING, SERVICE), (COMPLETED, ONESHOT), (Life(outcome=Outcome.FAILED), SERVICE)):
        seat = take_seat(life, policy, valid=True)
        assert foresee(seat, Wish.RUN, {}, heard=False) == Outlook(COMING, rests=False)


@pytest.mark.parametrize("down", [STOPPED, FAILED, ENDED])
def test_what_requires_one_that_is_down_is_down_too(down: Prospect) -> None:
    assert outlook(RUNNING, NEEDS, db=down, log=READY) == Outlook(STOPPED, rests=False)
    assert outlook(BLOCKED, NEEDS, db=down, log=READY) == Outlook(STOPPED, rests=True)
    assert outlook(COMPLETED, evolve(ONESHOT, requires=("db",)), db=down).prospect is READY
    assert outlook(RUNNING, NEEDS, db=READY, log=down).prospect is READY


def test_what_runs_does_not_mind_that_one_is_on_its_way_or_gone() -> None:
    for prospect in (COMING, ABSENT):
        assert outlook(RUNNING, NEEDS, db=prospect, log=prospect).prospect is READY


def test_what_waits_rests_with_all_that_it_waits_for() -> None:
    seat = take_seat(BLOCKED, evolve(SERVICE, after=("a", "b")), valid=True)
    for rests in itertools.product([True, False], repeat=2):
        known = {name: Outlook(COMING, rests=each) for name, each in zip("ab", rests, strict=True)}
        assert foresee(seat, Wish.RUN, known, heard=True) == Outlook(COMING, rests=all(rests))
    # All are ready: it is about to start.
    assert foresee(seat, Wish.RUN, {name: Outlook(READY, rests=True) for name in "ab"}, heard=True).rests is False


def test_what_waits_for_one_that_is_absent_and_required_is_absent() -> None:
    assert outlook(BLOCKED, NEEDS, log=READY) == NOWHERE


@pytest.mark.parametrize("prospect", Prospect)
def test_whom_a_start_waits_for(prospect: Prospect) -> None:
    known = {"db": Outlook(prospect, rests=True), "log": Outlook(prospect, rests=True)}
    awaited = [name for name, _ in list_awaited(take_seat(BLOCKED, NEEDS, valid=True), known)]
    assert ("db" in awaited) == (prospect is not READY)
    assert ("log" in awaited) == (prospect is COMING)
    missing = list_missing(take_seat(BLOCKED, NEEDS, valid=True), known)
    assert missing == ((("db", prospect),) if prospect in (STOPPED, FAILED, ENDED) else ())


def test_there_is_nothing_of_a_name_that_nobody_knows() -> None:
    seat = Seat(after=("x",), requires=("y",))
    assert list_awaited(seat, {}) == (("y", ABSENT),)
    assert list_missing(seat, {}) == ()


MISSING: Named = (("db", STOPPED),)
STARTING = drive(*START[:3])[0]


@pytest.mark.parametrize(
    ("life", "turn", "leaves", "event"),
    [
        (BLOCKED, Turn(may_start=True), False, Event.UNBLOCKED),
        (BLOCKED, Turn(), False, None),
        (BLOCKED, Turn(missing=MISSING), False, None),
        (BLOCKED, Turn(may_start=True), True, Event.HALT),
        (RUNNING, Turn(may_start=True), False, None),
        (RUNNING, Turn(missing=MISSING), False, Event.STAND_DOWN),
        (RUNNING, Turn(missing=MISSING, behind=("ui",)), False, None),
        (RUNNING, Turn(behind=("ui",)), True, None),
        (RUNNING, Turn(), True, Event.HALT),
        (STARTING, Turn(missing=MISSING), False, Event.STAND_DOWN),
        (STARTING, Turn(behind=("ui",)), True, Event.HALT),
        (drive(*START, Event.REPLACE)[0], Turn(missing=MISSING), False, None),
        (COMPLETED, Turn(missing=MISSING), False, None),
    ],
)
def test_what_a_turn_lets_a_life_do(life: Life, turn: Turn, leaves: bool, event: Event | None) -> None:
    assert choose_event(life, turn, leaves=leaves, hurried=False) is event


def test_in_a_hurry_no_end_waits_for_another() -> None:
    behind = Turn(missing=MISSING, behind=("ui",))
    assert choose_event(RUNNING, behind, leaves=True, hurried=True) is Event.HALT
    assert choose_event(RUNNING, behind, leaves=False, hurried=True) is Event.STAND_DOWN


@pytest.mark.parametrize(
    ("life", "turn", "text"),
    [
        (BLOCKED, Turn(), ""),
        (BLOCKED, Turn(awaited=(("db", COMING),)), "waits for db to be ready"),
        (BLOCKED, Turn(awaited=(("a", COMING), ("b", FAILED))), "waits for a and b (failed) to be ready"),
        (BLOCKED, Turn(awaited=(("db", ABSENT),)), "waits for db (no valid definition) to be ready"),
        (
            BLOCKED,
            Turn(awaited=tuple((name, COMING) for name in "abcdefg")),
            "waits for a, b, c, d, e and 2 more to be ready",
        ),
        (RUNNING, Turn(behind=("web",)), "stops once web has ended"),
        (RUNNING, Turn(behind=("api", "ui", "web")), "stops once api, ui and web have ended"),
        (RUNNING, Turn(behind=tuple("abcdef")), "stops once a, b, c, d, e and others have ended"),
        (RUNNING, Turn(awaited=(("db", COMING),)), ""),
        (drive(*START, Event.STAND_DOWN)[0], Turn(missing=MISSING), "stopped since db is stopped"),
        (
            drive(*START, Event.STAND_DOWN)[0],
            Turn(missing=(("a", FAILED), ("b", ENDED))),
            "stopped since a has failed and b has ended",
        ),
        (drive(*START, Event.HALT)[0], Turn(missing=MISSING), ""),
        (COMPLETED, Turn(missing=MISSING), ""),
    ],
)
def test_why_a_life_is_as_it_is(life: Life, turn: Turn, text: str) -> None:
    assert describe_turn(life, turn) == text
