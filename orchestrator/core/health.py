"""Whether an application is well and ready, by what its probes find and by what it says itself: pure.

`Care` is what is known of one instance; whatever is learnt of it gives another, and what its life is to be told. When
the next probe is due, and when a watchdog has been silent for too long, is read off it, so that an edit of the policy
holds at once. Probing, listening and waiting are left to `orchestrator.tasks.health`. Floor: core.

An application may say a hundred times a second that it reloads and that it is ready, and each change that is told is a
record, a line and a file. So what changes is told at a `Pace`: it is held back until that allows, and then the last of
it is told.

A probe that fails before the first that has succeeded does not count until `start_timeout` is over, as nobody knows
then what the application needs to begin. With ``ready = "healthy"`` an instance is ready as long as its last probe has
succeeded: one that fails takes that away, and one that succeeds gives it back; only `failures` in a row end it.
"""

import math

from attrs import evolve, field, frozen

from orchestrator.core.lifecycle import EXTENDED_AT_MOST, Event, Happening
from orchestrator.core.pace import Pace
from orchestrator.model.health import Health, HealthReport, Notification, Proven
from orchestrator.model.policy import Ready
from orchestrator.model.spec import Policy

NOT_READY = "not ready: "
"""How the message begins of what runs and is not ready."""

UNHEALTHY = "unhealthy: "
"""How the message begins of what runs, has failed a probe, and is ready by something else."""

SILENT = "it has not sent READY=1"


@frozen(kw_only=True)
class Care:
    """What is known of the health of one instance. Times are those of one monotonic clock, in seconds."""

    began_at: float
    """When it, or the way its health is asked for, began."""
    patient_until: float = -math.inf
    """Until when it has asked for patience."""
    proven: Proven = field(factory=Proven)
    probed_at: float | None = None
    """When the last probe began."""
    healthy: bool | None = None
    """None as long as none has succeeded, and it is too early to count those that fail."""
    failures: int = 0
    """Probes in a row that have failed and count."""
    why: str = ""
    """Why the last probe failed; empty after one that did not."""
    trouble: str = ""
    """Why it could not be asked, by no fault of its own."""
    says_ready: bool | None = None
    """What it says itself; None as long as it has said nothing of that."""
    word: str = SILENT
    """Why it is not ready, by what it says itself."""
    status_text: str = ""
    heard_at: float | None = None
    """Since when its watchdog is silent; None while nothing is expected of it yet."""
    told: bool | None = None
    """What its life was told last: whether it is ready."""
    telling: Pace = field(factory=Pace)
    shown: HealthReport = field(factory=HealthReport)
    """What people are told."""
    showing: Pace = field(factory=Pace)
    over: bool = False
    """It is being ended: it is not asked any more, and owes no sign of life."""


def begin_care(policy: Policy, now: float, proven: Proven | None = None, status_text: str = "") -> Care:
    """What is known of an instance that has begun, or of one that an earlier agent has left, which has ``proven``
    this much and said this."""
    proven = proven or Proven()
    started = policy.ready is Ready.STARTED
    expects = started or proven.ready
    care = Care(
        began_at=now,
        proven=evolve(proven, ready=expects),
        status_text=status_text,
        heard_at=now if expects else None,
        told=True if started else None,
    )
    return evolve(care, shown=report_health(care, policy))


def next_probe(care: Care, policy: Policy) -> float:
    """When the next probe is due; the past where that is now, infinity where there is none."""
    if policy.health is None or care.over:
        return math.inf
    if care.probed_at is None:
        return care.began_at
    return care.probed_at + (policy.health.period if care.proven.healthy else policy.health.start_period)


def silence_ends(care: Care, policy: Policy) -> float:
    """When its watchdog has been silent for too long; infinity where nothing is expected of it."""
    seconds = _watchdog(care, policy)
    return math.inf if care.over or care.heard_at is None or not seconds else care.heard_at + seconds


def next_time(care: Care, policy: Policy, *, heard: bool) -> float:
    """When time alone changes something (`note_time`, `show_health`); infinity where it does not. heard: whether
    somebody listens: of what nobody hears, no sign of life is expected."""
    is_held_back = not care.over and _is_ready(care, policy) not in (None, care.told)
    is_shown = care.shown == report_health(care, policy)
    return min(
        silence_ends(care, policy) if heard else math.inf,
        care.telling.next_at if is_held_back else math.inf,
        math.inf if is_shown else care.showing.next_at,
    )


def note_probe(care: Care, policy: Policy, why: str, *, began: float, now: float) -> tuple[Care, tuple[Happening, ...]]:
    """A probe has answered. why: in one line, why it is not well, or empty."""
    assert policy.health is not None, "something was asked"
    care = evolve(care, probed_at=began, why=why, trouble="")
    if not why:
        return _tell(evolve(care, healthy=True, failures=0, proven=evolve(care.proven, healthy=True)), policy, now)
    if not care.proven.healthy and now < max(care.began_at + policy.start_timeout, care.patient_until):
        return care, ()
    care = evolve(care, healthy=False, failures=care.failures + 1)
    if care.failures < policy.health.failures:
        return _tell(care, policy, now)
    often = "" if care.failures == 1 else f" {care.failures} times in a row"
    return _end(care, f"its health failed{often}: {why}")


def note_not_asked(care: Care, trouble: str, *, began: float) -> Care:
    """It could not be asked, by no fault of its own: that says nothing of it."""
    return evolve(care, probed_at=began, trouble=trouble)


def note_word(care: Care, policy: Policy, said: Notification, *, now: float) -> tuple[Care, tuple[Happening, ...]]:
    """It has said something of itself."""
    care = _listen(care, said, now)
    happened: tuple[Happening, ...] = ()
    if said.extend_timeout_usec is not None:
        seconds = min(said.extend_timeout_usec / 1e6, EXTENDED_AT_MOST)
        care = evolve(care, patient_until=max(care.patient_until, now + seconds))
        happened = (Happening(event=Event.EXTEND, seconds=seconds),)
    care, told = _tell(care, policy, now)
    happened += told
    if said.watchdog_trigger:
        care, told = _end(care, "it has asked for its end (WATCHDOG=trigger)")
        happened += told
    return care, happened


def _listen(care: Care, said: Notification, now: float) -> Care:
    if said.status is not None:
        care = evolve(care, status_text=said.status)
    if said.ready:
        care = evolve(care, says_ready=True)
    elif said.reloading:
        care = evolve(care, says_ready=False, word="it reloads")
    if said.stopping:
        care = evolve(care, says_ready=False, word="it stops")
    if said.watchdog_usec is not None:
        care = evolve(care, proven=evolve(care.proven, watchdog=said.watchdog_usec / 1e6))
    # Another interval counts from now on; but a change of it is no promise that it has begun.
    if said.watchdog or (said.watchdog_usec is not None and care.heard_at is not None):
        care = evolve(care, heard_at=now)
    return care


def note_time(care: Care, policy: Policy, *, now: float, heard: bool = True) -> tuple[Care, tuple[Happening, ...]]:
    """Time has passed. heard: see `next_time`."""
    care, happened = _tell(care, policy, now)
    if heard and now >= silence_ends(care, policy):
        care, ended = _end(care, f"its watchdog was silent for {_watchdog(care, policy):g} s")
        happened += ended
    return care, happened


def note_edit(care: Care, before: Policy, after: Policy, *, now: float) -> tuple[Care, tuple[Happening, ...]]:
    """Its policy is another. What asks it something else begins anew, with the patience of a start. What follows from
    an edit is no doing of the application, and is told at once."""
    care = evolve(care, telling=Pace(), showing=Pace())
    if not _asks_the_same(before.health, after.health):
        care = evolve(
            care,
            began_at=now,
            probed_at=None,
            healthy=None,
            failures=0,
            why="",
            trouble="",
            proven=evolve(care.proven, healthy=False),
        )
    return _tell(care, after, now)


def note_end(care: Care) -> Care:
    """It was asked to end."""
    return evolve(care, over=True)


def note_listening(care: Care, *, now: float) -> Care:
    """From now on it is heard: what it has said before, nobody knows."""
    return care if care.heard_at is None else evolve(care, heard_at=now)


def show_health(care: Care, policy: Policy, *, now: float) -> Care:
    """Show people what is known, if it is another than what they see and they were not told too often of late."""
    report = report_health(care, policy)
    if report == care.shown or now < care.showing.next_at:
        return care
    return evolve(care, shown=report, showing=care.showing.note(now))


def report_health(care: Care, policy: Policy) -> HealthReport:
    """What is known of its health. As long as its life is not told that it is not ready, people are not, either."""
    message = care.trouble or ("" if care.told else _explain_unready(care, policy))
    if not message and care.healthy is False:
        message = f"{UNHEALTHY}{care.why}"
    return HealthReport(healthy=care.healthy, status_text=care.status_text, message=message)


def _explain_unready(care: Care, policy: Policy) -> str:
    """Why it is not ready; empty where it is, or nothing is known of it yet."""
    match policy.ready:
        case Ready.STARTED:
            why = ""
        case Ready.HEALTHY:
            # What was ready before it was asked something else is so until that counts.
            why = "" if care.told and care.healthy is None else care.why
        case Ready.NOTIFY:
            # An earlier agent may have been told.
            heard = care.says_ready or (care.says_ready is None and care.proven.ready)
            why = "" if heard else care.word
    return why and f"{NOT_READY}{why}"


def _watchdog(care: Care, policy: Policy) -> float:
    """How long it may be silent, in seconds; 0 for ever."""
    own = care.proven.watchdog
    return own if own is not None else policy.watchdog or 0.0


def _asks_the_same(one: Health | None, other: Health | None) -> bool:
    """Whether two differ by how often and how patiently they ask at the most."""
    if one is None or other is None or type(one) is not type(other):
        return one is other
    return other == evolve(
        one,
        period=other.period,
        start_period=other.start_period,
        timeout=other.timeout,
        failures=other.failures,
    )


def _is_ready(care: Care, policy: Policy) -> bool | None:
    """None as long as it cannot be said."""
    match policy.ready:
        case Ready.STARTED:
            return True
        case Ready.HEALTHY:
            return care.healthy
        case Ready.NOTIFY:
            return care.says_ready


def _tell(care: Care, policy: Policy, now: float) -> tuple[Care, tuple[Happening, ...]]:
    """Whether it is ready, if that is another than what its life was told last, and that was not too often of late."""
    ready = _is_ready(care, policy)
    if ready is None or ready is care.told or now < care.telling.next_at:
        return care, ()
    care = evolve(care, told=ready, telling=care.telling.note(now))
    happening = Happening(event=Event.READY)
    if ready:
        heard_at = now if care.heard_at is None else care.heard_at
        care = evolve(care, heard_at=heard_at, proven=evolve(care.proven, ready=True))
    else:
        happening = Happening(event=Event.UNREADY, message=_explain_unready(care, policy))
    # What people see goes with it: they are told anyway.
    return evolve(care, shown=report_health(care, policy)), (happening,)


def _end(care: Care, why: str) -> tuple[Care, tuple[Happening, ...]]:
    if care.over:
        return care, ()
    return evolve(care, over=True), (Happening(event=Event.UNWELL, message=why),)
