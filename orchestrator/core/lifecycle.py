"""The life of a supervised container: a table of phases and events, and nothing that touches the world.

`step` answers an event with the next `Life` and the effects to carry out; `orchestrator.tasks.supervise` carries them
out and turns what comes of them into events again. Wish (`wanted`), phase and readiness are three things: the wish may
change at any time, the phase says only what was observed. Each phase waits for one answer, and for at most one
deadline. Floor: core.
"""

from collections.abc import Mapping
from enum import Enum

from attrs import evolve, frozen

from orchestrator.core.backoff import delay_after, describe_exhaustion, note_restart
from orchestrator.core.exits import describe_exit
from orchestrator.core.outcome import count_failure, decide_outcome, forgive_if_proven, gives_up, is_to_restart
from orchestrator.model.life import Exit, Life, Outcome, Phase
from orchestrator.model.policy import Ready
from orchestrator.model.spec import Policy


class Event(Enum):
    """What a life is told."""

    # Wishes
    GO = "go"
    """A start is wanted now."""
    HALT = "halt"
    """What runs is to end and nothing is to be started."""
    REPLACE = "replace"
    """What runs is to end and something else is to be started."""
    STAND_DOWN = "stand down"
    """What it requires is not to run: what runs is to end, and to be started again once that is ready."""
    # Answers of effects
    UNBLOCKED = "unblocked"
    ADMITTED = "admitted"
    BUILT = "built"
    BUILD_FAILED = "build failed"
    CREATED = "created"
    CREATE_FAILED = "create failed"
    STARTED = "started"
    START_FAILED = "start failed"
    EXITED = "exited"
    CLEANED = "cleaned"
    """`step` turns it into one of the three that follow, by `judge`."""
    CLEANED_AGAIN = "cleaned, start again"
    CLEANED_RETRY = "cleaned, retry later"
    CLEANED_REST = "cleaned, rest"
    CLEAN_FAILED = "clean failed"
    # What the application is found to be, or says
    READY = "ready"
    UNREADY = "unready"
    UNWELL = "unwell"
    """It has failed its health, or its watchdog: it is to be ended."""
    EXTEND = "extend"
    """It asks for more time (EXTEND_TIMEOUT_USEC, sd_notify(3)) for its start or its end."""
    # Time
    DEADLINE = "deadline"


WISHES = frozenset({Event.GO, Event.HALT, Event.REPLACE, Event.STAND_DOWN})
WORDS = frozenset({Event.READY, Event.UNREADY, Event.UNWELL, Event.EXTEND})
"""What may be late: of an instance that is not running any more it means nothing."""


class Effect(Enum):
    """What a life asks the world for, and the events that answer."""

    AWAIT = "await"
    """Wait until those that it comes after are ready: UNBLOCKED."""
    UNAWAIT = "unawait"
    """Do not wait any more. Never fails; there is no answer to either then."""
    ADMIT = "admit"
    """Wait for a place among those that may start at a time: ADMITTED."""
    RELEASE = "release"
    """Give the place back. Never fails, no answer."""
    BUILD = "build"
    """Store the bundle and make the instance's folder: BUILT or BUILD_FAILED."""
    CREATE = "create"
    """The runtime's create: CREATED or CREATE_FAILED."""
    START = "start"
    """The runtime's start: STARTED or START_FAILED."""
    WATCH = "watch"
    """Wait for the application's end: EXITED. Until then look after its health: READY, UNREADY, UNWELL, EXTEND."""
    SIGNAL = "signal"
    """Ask the application to end. The answer is EXITED, or the deadline."""
    KILL = "kill"
    """Kill everything in the container. The answer is EXITED, or the deadline."""
    CLEAN = "clean"
    """Remove all that the instance left: CLEANED or CLEAN_FAILED."""


KILL_AGAIN_AFTER = 2.0
"""Seconds until a kill is sent again to what has not ended: a process may be stuck in the kernel for a while."""
TAKEN_FOR_READY = "taken for ready: nobody listened when it may have said so"
EXTENDED_AT_MOST = 3600.0
"""Seconds that an application gets at a time when it asks for more: it may ask again, but not once for all."""
CLEAN_AGAIN_AFTER = 5.0
"""Seconds until what could not be removed is tried again."""

_RESTING = (Phase.IDLE, Phase.BLOCKED, Phase.BACKOFF)
"""There is no instance, and none is being made."""
_ENDING = (Phase.STOPPING, Phase.KILLING, Phase.CLEANING)
"""There is an instance, and its end is settled."""


Cell = tuple[Phase, tuple[Effect, ...]] | None
"""The next phase and the effects; None for what cannot happen."""

_CLEAN = (Phase.CLEANING, (Effect.CLEAN,))
_GIVE_UP_START = (Phase.CLEANING, (Effect.RELEASE, Effect.CLEAN))
_AWAIT = (Phase.BLOCKED, (Effect.AWAIT,))
_ABANDON: Cell = (Phase.ABANDONING, ())

_ROWS: Mapping[Phase, Mapping[Event, Cell]] = {
    Phase.IDLE: {Event.GO: _AWAIT, Event.REPLACE: _AWAIT},
    Phase.BLOCKED: {
        Event.UNBLOCKED: (Phase.WAITING, (Effect.ADMIT,)),
        Event.HALT: (Phase.IDLE, (Effect.UNAWAIT,)),
    },
    Phase.WAITING: {
        Event.ADMITTED: (Phase.BUILDING, (Effect.BUILD,)),
        Event.HALT: _ABANDON,
        Event.STAND_DOWN: _ABANDON,
    },
    Phase.BUILDING: {
        Event.BUILT: (Phase.CREATING, (Effect.CREATE,)),
        Event.BUILD_FAILED: _GIVE_UP_START,
        Event.HALT: _ABANDON,
        Event.REPLACE: _ABANDON,
        Event.STAND_DOWN: _ABANDON,
    },
    Phase.CREATING: {
        Event.CREATED: (Phase.STARTING, (Effect.START,)),
        Event.CREATE_FAILED: _GIVE_UP_START,
        Event.HALT: _ABANDON,
        Event.REPLACE: _ABANDON,
        Event.STAND_DOWN: _ABANDON,
    },
    Phase.STARTING: {
        Event.STARTED: (Phase.RUNNING, (Effect.RELEASE, Effect.WATCH)),
        Event.START_FAILED: _GIVE_UP_START,
        Event.HALT: _ABANDON,
        Event.REPLACE: _ABANDON,
        Event.STAND_DOWN: _ABANDON,
    },
    # A start that is no longer wanted: its answer is awaited, since an effect is never torn in two.
    Phase.ABANDONING: {
        Event.ADMITTED: _GIVE_UP_START,
        Event.BUILT: _GIVE_UP_START,
        Event.BUILD_FAILED: _GIVE_UP_START,
        Event.CREATED: _GIVE_UP_START,
        Event.CREATE_FAILED: _GIVE_UP_START,
        Event.STARTED: (Phase.STOPPING, (Effect.RELEASE, Effect.WATCH, Effect.SIGNAL)),
        Event.START_FAILED: _GIVE_UP_START,
    },
    Phase.RUNNING: {
        Event.EXITED: _CLEAN,
        Event.HALT: (Phase.STOPPING, (Effect.SIGNAL,)),
        Event.REPLACE: (Phase.STOPPING, (Effect.SIGNAL,)),
        Event.STAND_DOWN: (Phase.STOPPING, (Effect.SIGNAL,)),
        Event.UNWELL: (Phase.STOPPING, (Effect.SIGNAL,)),
        # It was not ready in time.
        Event.DEADLINE: (Phase.STOPPING, (Effect.SIGNAL,)),
    },
    Phase.STOPPING: {Event.EXITED: _CLEAN, Event.DEADLINE: (Phase.KILLING, (Effect.KILL,))},
    Phase.KILLING: {Event.EXITED: _CLEAN, Event.DEADLINE: (Phase.KILLING, (Effect.KILL,))},
    Phase.CLEANING: {
        Event.CLEANED_AGAIN: _AWAIT,
        Event.CLEANED_RETRY: (Phase.BACKOFF, ()),
        Event.CLEANED_REST: (Phase.IDLE, ()),
        Event.CLEAN_FAILED: (Phase.CLEANING, ()),
        Event.DEADLINE: (Phase.CLEANING, (Effect.CLEAN,)),
    },
    Phase.BACKOFF: {
        Event.DEADLINE: _AWAIT,
        Event.GO: _AWAIT,
        Event.REPLACE: _AWAIT,
        Event.HALT: (Phase.IDLE, ()),
    },
}


def _complete(rows: Mapping[Phase, Mapping[Event, Cell]]) -> dict[tuple[Phase, Event], Cell]:
    """Every cell: a wish, a word or a deadline that a row does not name changes no phase, any other event cannot
    happen."""
    table: dict[tuple[Phase, Event], Cell] = {}
    for phase in Phase:
        for event in Event:
            stays: Cell = (phase, ()) if event in WISHES | WORDS or event is Event.DEADLINE else None
            table[phase, event] = rows[phase].get(event, stays)
    return table


TABLE: Mapping[tuple[Phase, Event], Cell] = _complete(_ROWS)


class ImpossibleEventError(Exception):
    """An event came that its phase has not asked for: a defect of the agent."""


@frozen(kw_only=True)
class Happening:
    """An event with what came of it: an exit, or the message of a failure; of EXTEND how many seconds."""

    event: Event
    exit: Exit | None = None
    message: str = ""
    seconds: float = 0.0


def step(
    life: Life, happening: Happening, policy: Policy, *, now: float, chance: float
) -> tuple[Life, tuple[Effect, ...]]:
    """The life after an event, and the effects to carry out, in order.

    now: the monotonic clock, seconds. chance: a random number in [0, 1) for the jitter.
    Raises ImpossibleEventError for an event that the phase has not asked for.
    """
    event = happening.event
    if event is Event.DEADLINE and life.deadline is None:
        return life, ()  # there is none any more
    if event is Event.DEADLINE and life.phase is Phase.RUNNING and life.unheard:
        ready = evolve(life, ready_since=now, was_ready=True, unheard=False, deadline=None, message=TAKEN_FOR_READY)
        return ready, ()
    if event is Event.CLEANED:
        life = evolve(life, cleaned_at=now)
        event = judge(life, policy)
    cell = TABLE[life.phase, event]
    if cell is None:
        raise ImpossibleEventError(f"{event.value!r} in phase {life.phase.value!r}")
    phase, effects = cell
    entered = phase is not life.phase or bool(effects)
    life = _note(life, happening, policy, now=now)
    if event is Event.CLEAN_FAILED:
        return evolve(life, phase=phase, deadline=now + CLEAN_AGAIN_AFTER), effects
    if not entered:
        return life, effects
    return _enter(life, phase, policy, now=now, chance=chance), effects


def _note(life: Life, happening: Happening, policy: Policy, *, now: float) -> Life:
    """What an event says beside the next phase."""
    match happening.event:
        case Event.GO:
            # After a stop it is as new; from rest, a wait or on the way there it is an operator's word, which forgives.
            forgiven = not life.wanted or life.phase in _RESTING or life.phase in _ENDING
            return evolve(
                life,
                wanted=True,
                halted=life.halted or life.phase in _ENDING,
                failures=0 if forgiven else life.failures,
                restarted_at=() if forgiven else life.restarted_at,
                restarts=life.restarts if life.wanted else 0,
                message="" if forgiven else life.message,
            )
        case Event.REPLACE:
            # A new definition starts with a clean record, and what runs has not failed.
            halted = life.phase not in _RESTING and life.phase is not Phase.WAITING
            return evolve(life, wanted=True, halted=halted, failures=0, restarted_at=(), restarts=0, message="")
        case Event.HALT:
            return evolve(life, wanted=False, halted=life.phase not in _RESTING)
        case Event.STAND_DOWN if life.phase not in _RESTING and life.phase not in _ENDING:
            return evolve(life, halted=True, failures=forgive_if_proven(life, policy, now))
        case Event.STARTED:
            ready = policy.ready is Ready.STARTED and life.phase is Phase.STARTING
            message = "" if ready else life.message
            return evolve(life, ready_since=now if ready else None, was_ready=ready, unwell="", message=message)
        case Event.READY if life.phase is Phase.RUNNING and life.ready_since is None:
            return evolve(life, ready_since=now, was_ready=True, unheard=False, deadline=None, message="")
        case Event.UNREADY if life.phase is Phase.RUNNING and life.ready_since is not None:
            failures = forgive_if_proven(life, policy, now)
            return evolve(life, ready_since=None, failures=failures, message=happening.message)
        case Event.UNWELL if life.phase is Phase.RUNNING:
            failures = count_failure(life, policy, now)
            return evolve(life, unwell=happening.message, message=happening.message, failures=failures)
        case Event.DEADLINE if life.phase is Phase.RUNNING:
            why = f"it was not ready {policy.start_timeout:g} s after its start"
            return evolve(life, unwell=why, message=why, failures=count_failure(life, policy, now))
        case Event.EXTEND if life.phase in (Phase.RUNNING, Phase.STOPPING) and life.deadline is not None:
            more = min(happening.seconds, EXTENDED_AT_MOST)
            return evolve(life, deadline=max(life.deadline, now + more))
        case Event.EXITED:
            counted = life.halted or bool(life.unwell)
            return evolve(
                life,
                ready_since=None,
                last_exit=happening.exit,
                failures=life.failures if counted else count_failure(life, policy, now),
                message=life.message if counted else describe_exit(happening.exit),
            )
        case Event.BUILD_FAILED | Event.CREATE_FAILED | Event.START_FAILED:
            return evolve(
                life,
                last_exit=happening.exit,
                failures=life.failures if life.halted else life.failures + 1,
                unbuilt=happening.event is Event.BUILD_FAILED,
                message=happening.message,
            )
        case Event.CLEAN_FAILED:
            return evolve(life, trouble=happening.message)
        case Event.CLEANED:
            return evolve(life, trouble="")
        case _:
            return life


def _enter(life: Life, phase: Phase, policy: Policy, *, now: float, chance: float) -> Life:
    """The life as it enters a phase (or enters it again): its one deadline, and what begins or ends with it."""
    match phase:
        case Phase.RUNNING:
            # It became so by its start. One deadline: to be ready by.
            deadline = None if life.was_ready else now + policy.start_timeout
            return evolve(life, phase=phase, deadline=deadline)
        case Phase.STOPPING:
            return evolve(life, phase=phase, deadline=now + policy.stop.timeout, ready_since=None)
        case Phase.KILLING:
            return evolve(life, phase=phase, deadline=now + KILL_AGAIN_AFTER)
        case Phase.BACKOFF:
            wait = delay_after(policy.restart, life.failures, chance)
            return evolve(life, phase=phase, deadline=now + wait)
        case Phase.BLOCKED:
            again = life.phase is Phase.BACKOFF and life.wanted and life.failures > 0 and not life.unbuilt
            return evolve(
                life,
                phase=phase,
                deadline=None,
                halted=False,
                was_ready=False,
                unheard=False,
                unwell="",
                unbuilt=False,
                outcome=Outcome.NONE,
                restarts=life.restarts + 1 if again else life.restarts,
                restarted_at=note_restart(policy.restart, life.restarted_at, now) if again else life.restarted_at,
            )
        case Phase.IDLE:
            message = describe_exhaustion(policy.restart, life.message) if gives_up(life, policy) else life.message
            outcome = decide_outcome(life, policy)
            return evolve(life, phase=phase, deadline=None, halted=False, outcome=outcome, message=message)
        case _:
            return evolve(life, phase=phase, deadline=None)


def judge(life: Life, policy: Policy) -> Event:
    """What an ended and removed instance leads to: a new one at once, one after a wait, or rest."""
    if not life.wanted:
        return Event.CLEANED_REST
    if life.halted:
        return Event.CLEANED_AGAIN
    again = is_to_restart(life, policy) and not gives_up(life, policy)
    return Event.CLEANED_RETRY if again else Event.CLEANED_REST


def succeed(life: Life, *, now: float) -> Life:
    """The life of a name whose instance runs, once another one that is ready has taken its place: a clean record, as
    after `Event.REPLACE`."""
    assert life.phase is Phase.RUNNING, "another takes the place of what runs"
    return evolve(
        life,
        ready_since=now,
        was_ready=True,
        unheard=False,
        unwell="",
        deadline=None,
        message="",
        failures=0,
        restarts=0,
        restarted_at=(),
    )
