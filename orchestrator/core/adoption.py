"""How a next agent goes on with what an earlier one has left: from the state files, and what is found of the processes,
to a life and the effects it begins with.

The state files are written in an order (`orchestrator.tasks.instance`) that leaves one answer for each instant in which
an agent may have been killed. Looking at the host is left to `orchestrator.tasks.takeover`. Floor: core.
"""

from collections.abc import Iterable
from enum import Enum

from attrs import evolve, frozen

from orchestrator.core.lifecycle import Effect
from orchestrator.model.action import Target
from orchestrator.model.bundle import Bundle
from orchestrator.model.life import Life, Outcome, Phase
from orchestrator.model.policy import Ready
from orchestrator.model.spec import FolderRoot, Policy
from orchestrator.model.state import InstanceState, NameState, Refusal, Standing, Step

_ASK = (Effect.WATCH, Effect.SIGNAL)
_ASKED = (Effect.WATCH,)


class Found(Enum):
    """What there is of an instance that an earlier agent has left."""

    NOTHING = "nothing"
    HALF = "half"
    """It never got to run: it is to be undone."""
    STARTED = "started"
    """Its application was started: it runs, or it has ended by itself or by a signal that is not ours to know of."""


@frozen(kw_only=True)
class Resumption:
    """What a supervision goes on from."""

    life: Life
    effects: tuple[Effect, ...] = ()
    """Those that were under way, to be begun again."""
    policy: Policy
    refusal: Refusal | None = None
    target: Target | None
    """What it was last told to be, as far as state files can say it: for the planner, nothing can be built from it."""


def shift_life(life: Life, by: float) -> Life:
    """The same life by a clock that is ``by`` seconds ahead."""

    def shifted(time: float | None) -> float | None:
        return None if time is None else time + by

    return evolve(
        life,
        ready_since=shifted(life.ready_since),
        deadline=shifted(life.deadline),
        cleaned_at=life.cleaned_at + by,
        restarted_at=tuple(time + by for time in life.restarted_at),
    )


def choose_instances(states: Iterable[InstanceState], names: Iterable[NameState]) -> dict[str, InstanceState]:
    """Of several instances of one name the one that is the name's; the others were made to follow it, or are rests.

    That is the one that the name's file points at; where that points at none of them the newest that has begun.
    """
    pointers = {state.name: state.instance for state in names}

    def rank(state: InstanceState) -> tuple[bool, bool, float]:
        return pointers.get(state.name) == state.instance, state.step is not Step.CREATING, state.created_at

    chosen: dict[str, InstanceState] = {}
    for state in states:
        known = chosen.get(state.name)
        if known is None or rank(state) > rank(known):
            chosen[state.name] = state
    return chosen


def resume(
    name: NameState | None, instance: InstanceState | None, found: Found, *, now: float, shift: float
) -> Resumption | None:
    """What the supervision of a name goes on from; None where nothing is known of it that would be worth it.

    name, instance: the state files, as far as they are there and whole. now: the clock of lives, seconds. shift: what
    that clock is ahead of the one that the files were written by.
    """
    standing = name.standing if name is not None else None
    if standing is None and instance is None:
        return None
    if standing is not None:
        life, policy = shift_life(standing.life, shift), standing.policy
    else:
        assert instance is not None, "one of the two is there"
        life, policy = Life(wanted=True, restarts=instance.restarts), instance.policy
    if instance is not None and (name is None or standing is None or name.instance != instance.instance):
        # A name's file is written when there is time: it may still tell of the instance before this one.
        life = _begin_instance(life, instance)
    effects: tuple[Effect, ...] = ()
    match found:
        case Found.STARTED:
            assert instance is not None, "it was found"
            life, effects = _go_on(life, instance, policy, now)
        case Found.HALF:
            life = _clean_up(life, now)
        case Found.NOTHING:
            life = life if life.phase in (Phase.IDLE, Phase.BACKOFF) else _clean_up(life, now)
    return Resumption(
        life=life,
        effects=effects,
        policy=policy,
        refusal=standing.refusal if standing is not None else None,
        target=_recall_target(name, instance, life),
    )


def describe_standing(
    life: Life,
    policy: Policy,
    told: Target,
    refusal: Refusal | None = None,
    good: str | None = None,
    *,
    shift: float,
    boot: str,
) -> Standing:
    """What `resume` goes by. shift: what the clock of state files is ahead of that of lives. told: what it was last
    told to be. refusal, good: as `Standing` has them."""
    return Standing(
        life=shift_life(life, shift),
        policy=policy,
        bundle=told.bundle.digest,
        resources=told.resources,
        refusal=refusal,
        good=good,
        boot=boot,
    )


def _begin_instance(life: Life, instance: InstanceState) -> Life:
    """The life of a name as it makes a new instance. It was wanted, or there would be none."""
    return evolve(
        life,
        phase=Phase.STARTING,
        wanted=True,
        halted=False,
        ready_since=None,
        was_ready=False,
        unwell="",
        deadline=None,
        restarts=instance.restarts,
        outcome=Outcome.NONE,
    )


def _go_on(life: Life, instance: InstanceState, policy: Policy, now: float) -> tuple[Life, tuple[Effect, ...]]:
    """It was started. What has ended meanwhile is noticed by its watch, as any end is."""
    if life.phase is Phase.CLEANING and instance.exit is not None:
        # Its end was counted; what is left of it is not removed yet.
        return evolve(life, deadline=now), ()
    if life.phase in (Phase.STOPPING, Phase.KILLING):
        deadline = now if life.phase is Phase.KILLING else life.deadline
        # Its signal was sent before its life was written down, and to many a second one means "at once".
        was_asked = instance.step is Step.STOPPING
        return evolve(life, phase=Phase.STOPPING, deadline=deadline), _ASKED if was_asked else _ASK
    if instance.step is Step.STOPPING or life.halted or not life.wanted:
        # It was asked to end, or its start was given up. Where it is not known why: by no fault of its own, then.
        deadline = now + instance.policy.stop.timeout
        return evolve(life, phase=Phase.STOPPING, halted=True, ready_since=None, deadline=deadline), _ASK
    # What it said while no agent was there was heard by nobody, and is not said again.
    unheard = policy.ready is Ready.NOTIFY
    if life.phase is Phase.RUNNING:
        if life.deadline is None and not (unheard and life.ready_since is None):
            return life, (Effect.WATCH,)
        # It has all of its time again.
        return evolve(life, unheard=unheard, deadline=now + policy.start_timeout), (Effect.WATCH,)
    ready = policy.ready is Ready.STARTED
    return (
        evolve(
            life,
            phase=Phase.RUNNING,
            halted=False,
            unwell="",
            ready_since=now if ready else None,
            was_ready=ready,
            unheard=unheard,
            deadline=None if ready else now + policy.start_timeout,
        ),
        (Effect.WATCH,),
    )


def _clean_up(life: Life, now: float) -> Life:
    """There is no instance that could go on. What follows is judged when all of it is removed, which may be so already.

    What was on its way to an instance, or had one that is gone with all its traces, has not failed by that.
    """
    if life.phase is not Phase.CLEANING:
        life = evolve(life, phase=Phase.CLEANING, halted=True, ready_since=None)
    return evolve(life, deadline=now)


def _recall_target(name: NameState | None, instance: InstanceState | None, life: Life) -> Target | None:
    """What the planner is to compare with: what runs, or what the next instance was to be."""
    standing = name.standing if name is not None else None
    fields = name.fields if name is not None else {}
    if standing is not None and standing.refusal is not None:
        # The directory still says what was refused: that is no news.
        refusal = standing.refusal
        bundle = _recall_bundle(refusal.bundle, name, instance)
        return Target(bundle, refusal.resources, refusal.policy, fields=fields, live=None)
    if instance is not None and (standing is None or life.phase is Phase.RUNNING):
        policy = standing.policy if standing is not None else instance.policy
        bundle = _recall_bundle(instance.bundle, name, instance)
        return Target(bundle, instance.resources, policy, fields=fields, live=instance.live)
    if standing is None:
        return None
    bundle = _recall_bundle(standing.bundle, name, instance)
    return Target(bundle, standing.resources, standing.policy, fields=fields, live=None)


def _recall_bundle(digest: str, name: NameState | None, instance: InstanceState | None) -> Bundle:
    """A bundle of which only the digest is known, and where the output goes."""
    root = FolderRoot(path=instance.rootfs if instance is not None else "/")
    told = instance or name
    assert told is not None, "one of the two is there"
    return Bundle(digest, {}, root, readonly=True, log=told.log_target)
