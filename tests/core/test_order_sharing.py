"""The rules of order for who shares the network of another: what it waits for, and what it stands down for."""

import pytest
from attrs import evolve

from orchestrator.core.lifecycle import Event
from orchestrator.core.offer import Offer, find_offer
from orchestrator.core.order import (
    Outlook,
    Prospect,
    Seat,
    Turn,
    Wish,
    choose_event,
    choose_passing,
    describe_turn,
    find_lost,
    foresee,
    list_awaited,
    take_seat,
)
from orchestrator.model.life import Exit, Life, Phase
from orchestrator.model.resources import Resources
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState, Step
from tests.core.helpers_lifecycle import SERVICE, START, drive

READY, COMING, STOPPED, FAILED, ENDED, ABSENT = Prospect
RUNNING, _ = drive(*START)
SHARES = evolve(SERVICE, requires=("db",), shares_network_of="db")
LOST = Turn(lost="db")


def state(joined: str = "", policy: Policy = SHARES) -> InstanceState:
    return InstanceState(
        name="app",
        instance="app-1",
        bundle="b",
        runtime="/r",
        root="/r",
        folder="/f",
        rootfs="/x",
        cgroups_path="/c",
        log="/l",
        step=Step.RUNNING,
        created_at=0.0,
        pid=7,
        pid_start_time=700,
        resources=Resources(),
        policy=policy,
        joined=joined,
    )


def seat(phase: Phase = Phase.RUNNING, joined: str = "db-1") -> Seat:
    return take_seat(evolve(RUNNING, phase=phase), SHARES, valid=True, instance=state(joined))


def db(prospect: Prospect, instance: str) -> dict[str, Outlook]:
    return {"db": Outlook(prospect, rests=True, instance=instance)}


def test_only_what_runs_can_be_joined() -> None:
    assert find_offer(RUNNING, state()) == Offer("app-1", 7, 700)
    for phase in set(Phase) - {Phase.RUNNING}:
        assert find_offer(evolve(RUNNING, phase=phase), state()) is None
    assert find_offer(RUNNING, None) is None
    assert find_offer(RUNNING, evolve(state(), exit=Exit(at=0.0))) is None
    assert find_offer(RUNNING, evolve(state(), pid=None)) is None


@pytest.mark.parametrize(
    ("wish", "others", "instance"),
    [
        (Wish.RUN, db(READY, "db-1"), "app-1"),
        (Wish.RUN, db(COMING, "db-1"), "app-1"),
        # It is to end, and who is in its network before it.
        (Wish.HOLD, db(READY, "db-1"), ""),
        (Wish.LEAVE, db(READY, "db-1"), ""),
        (Wish.RUN, db(READY, "db-2"), ""),
        (Wish.RUN, db(STOPPED, ""), ""),
        (Wish.RUN, {}, ""),
    ],
)
def test_what_is_to_end_is_offered_to_nobody(wish: Wish, others: dict[str, Outlook], instance: str) -> None:
    for heard in (True, False):
        assert foresee(seat(), wish, others, heard=heard).instance == instance


@pytest.mark.parametrize(
    ("phase", "joined", "others", "lost"),
    [
        (Phase.RUNNING, "db-1", db(READY, "db-1"), ""),
        (Phase.RUNNING, "db-1", db(COMING, "db-1"), ""),
        (Phase.RUNNING, "db-1", db(READY, "db-2"), "db"),
        (Phase.RUNNING, "db-1", db(COMING, ""), "db"),
        (Phase.RUNNING, "db-1", {}, "db"),
        (Phase.STARTING, "db-1", db(COMING, ""), "db"),
        # On its way to join it.
        (Phase.WAITING, "", db(COMING, ""), "db"),
        (Phase.CREATING, "", db(COMING, ""), "db"),
        (Phase.CREATING, "", db(READY, "db-2"), ""),
        # While it waits, what it is to join may well not be there.
        (Phase.BLOCKED, "", db(COMING, ""), ""),
        (Phase.BACKOFF, "", {}, ""),
    ],
)
def test_what_it_has_joined_is_one_instance(phase: Phase, joined: str, others: dict[str, Outlook], lost: str) -> None:
    assert find_lost(seat(phase, joined), others) == lost
    assert find_lost(evolve(seat(phase, joined), shares=""), others) == ""


def test_a_start_waits_until_there_is_something_to_join() -> None:
    blocked = seat(Phase.BLOCKED, "")
    assert list_awaited(blocked, db(READY, "db-1")) == ()
    assert list_awaited(blocked, db(READY, "")) == (("db", COMING),)
    assert list_awaited(blocked, db(FAILED, "")) == (("db", FAILED),)
    assert list_awaited(evolve(blocked, shares=""), db(READY, "")) == ()


@pytest.mark.parametrize("phase", list(Phase))
def test_it_stands_down_wherever_it_may(phase: Phase) -> None:
    begun = {Phase.WAITING, Phase.BUILDING, Phase.CREATING, Phase.STARTING, Phase.RUNNING}
    life = evolve(RUNNING, phase=phase)
    assert choose_event(life, LOST, leaves=False, hurried=False) is (Event.STAND_DOWN if phase in begun else None)


def test_it_waits_for_those_that_share_with_it_to_end() -> None:
    turn = evolve(LOST, behind=("log",))
    assert choose_event(RUNNING, turn, leaves=False, hurried=False) is None
    assert choose_event(RUNNING, turn, leaves=False, hurried=True) is Event.STAND_DOWN


def test_people_are_told_why() -> None:
    life = Life(phase=Phase.STOPPING, wanted=True, halted=True)
    assert describe_turn(life, LOST) == "stopped since the network of db has ended"
    assert describe_turn(life, evolve(LOST, missing=(("db", FAILED),))) == "stopped since db has failed"
    assert describe_turn(evolve(life, wanted=False), LOST) == ""


def test_in_a_circle_nobody_starts_before_whose_network_it_shares() -> None:
    """Definitions that are valid together make none; what is in force may be of different times."""
    app, requires, after = (
        seat(Phase.BLOCKED, ""),
        Seat(requires=("app",), phase=Phase.BLOCKED),
        Seat(after=("app",), phase=Phase.BLOCKED),
    )
    for other in (requires, after):
        assert choose_passing(("app", "db"), {"app": app, "db": other}) == ("db", "app")
    shares = Seat(requires=("app",), shares="app", phase=Phase.BLOCKED)
    assert choose_passing(("app", "db"), {"app": app, "db": shares}) is None
