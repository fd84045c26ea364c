"""Order among containers: who waits for whom to start, who stands down with whom, who ends before whom. Pure rules.

The rule, for a container that names others in ``after`` and ``requires``:

- A name is *ready* as its own `ready` says, a oneshot once it has completed.
- It is *down* while it is not to run: an operator has stopped it, it has failed for good, it has ended and is not
  started again, or it requires one that is down. It is *absent* while there is no definition of it that could be run,
  or while it waits for one that it requires and that is absent. Otherwise it is *coming*: waiting, building, starting,
  running and not ready, between two tries, ending to be started again.
- Each start, one after a crash too, waits while one of ``after`` is coming or one of ``requires`` is not ready.
- While one of ``requires`` is down, what runs stands down: it is stopped, which is no failure, and its next start waits
  as any other. That one of them restarts, is replaced, is not ready any more or has lost its definition stops nothing.
- Definitions that are valid together never wait for each other, but what is in force may be of different times, after
  a roll-back say. When starts wait for each other, one of them goes on without waiting for the next one.
- What becomes later of those in ``after`` stops nothing.
- Who shares the network of one that it requires lives in a namespace of one instance of that. Once this ends, whatever
  made it end (a crash, a replacement, a stop), it stands down and waits as above. Where the end is known beforehand, as
  that one is stopped or is not wanted any more, it ends before it; a crash cannot wait, and a replacement does not:
  there both end at the same time.
- What is to be stopped is told so once all have ended that come after it, directly or over others, and are to be
  stopped too.

Each name is judged by what is known of itself and of those that it names (`foresee`, `list_awaited`, `list_missing`);
`orchestrator.tasks.order` keeps what is known, and judges again what a change concerns. Floor: core.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

from attrs import evolve, frozen

from orchestrator.core.lifecycle import Event
from orchestrator.core.naming import is_ready
from orchestrator.core.offer import Offer, find_offer
from orchestrator.model.life import Life, Outcome, Phase
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState


class Prospect(Enum):
    """What is to be expected of a name, in a word for people."""

    READY = "ready"
    COMING = "coming"
    STOPPED = "stopped"
    FAILED = "failed"
    ENDED = "ended"
    ABSENT = "no valid definition"


MOST_NAMED = 5
"""Names that a message lists."""

_ON_ITS_WAY = frozenset({Phase.WAITING, Phase.BUILDING, Phase.CREATING})
"""It is being made, and may not have joined what it is to join."""

DOWN = frozenset({Prospect.STOPPED, Prospect.FAILED, Prospect.ENDED})
"""It is not to run, for now."""

WAITS_FOR = "waits for "
STOPS_ONCE = "stops once "
"""How the messages begin of what goes in its order: nothing is wrong with it."""

_WHY_DOWN = {Prospect.STOPPED: "is stopped", Prospect.FAILED: "has failed", Prospect.ENDED: "has ended"}


class Wish(Enum):
    """What was last told to a name: more than its life knows, which may not have heard it yet."""

    RUN = "run"
    HOLD = "hold"
    """An operator has stopped it."""
    LEAVE = "leave"
    """It is not wanted any more, or the agent ends."""


@frozen(kw_only=True)
class Seat:
    """What the others need to know of one name, as far as it is its own affair."""

    after: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    phase: Phase = Phase.IDLE
    own: Prospect = Prospect.COMING
    """What would be expected of it if it required nothing."""
    rests: bool = False
    """Nothing is under way for it now, though it is not ready."""
    shares: str = ""
    """One of ``requires``, whose network it is in."""
    joined: str = ""
    """The instance of that one whose namespace its own is in, once it is."""
    offer: Offer | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that it comes after."""
        return (*self.after, *self.requires)

    @property
    def lives(self) -> bool:
        """It has an instance that has not ended, or is on its way to one."""
        return self.phase not in (Phase.IDLE, Phase.BLOCKED, Phase.BACKOFF, Phase.CLEANING)


@frozen
class Outlook:
    """What is to be expected of a name, all that it requires considered. rests: as of `Seat`."""

    prospect: Prospect
    rests: bool
    instance: str = ""
    """The id of the instance of it whose namespaces can be joined, and will be there for all that is known."""


NOWHERE = Outlook(Prospect.ABSENT, rests=True)
"""Of a name that there is nothing of."""

Named = tuple[tuple[str, Prospect], ...]
"""Some names, sorted, each with what is to be expected of it."""


@frozen(kw_only=True)
class Turn:
    """What its place among the others means for a name now."""

    may_start: bool = False
    """A start that waits may go on."""
    awaited: Named = ()
    """Those that a start waits for."""
    missing: Named = ()
    """Those that it is not to run without: it is to stand down."""
    lost: str = ""
    """The one whose network it shares, if the instance of it that it has joined ends or has ended: it is to stand
    down."""
    behind: tuple[str, ...] = ()
    """Those that are to end before it is told to, or of many some; empty for what is not to end."""
    rests: bool = False
    """Nothing is under way for those that its start waits for."""


def take_seat(life: Life, policy: Policy | None, *, valid: bool, instance: InstanceState | None = None) -> Seat:
    """What a life is for the others. policy: None of what was never told to be anything. valid: there is a definition
    that could be run. instance: the one that there is now."""
    if policy is None:
        return Seat(phase=life.phase, own=Prospect.ABSENT, rests=True)
    return Seat(
        after=policy.after,
        requires=policy.requires,
        phase=life.phase,
        own=_expect_alone(life, policy, valid=valid),
        rests=_rests(life, policy),
        shares=policy.shares_network_of,
        joined=_find_joined(policy, instance),
        offer=find_offer(life, instance),
    )


def _find_joined(policy: Policy, instance: InstanceState | None) -> str:
    """Of one that is to share with another now, and runs until it can, what it has joined is nobody's business."""
    if instance is None or instance.policy.shares_network_of != policy.shares_network_of:
        return ""
    return instance.joined


def _expect_alone(life: Life, policy: Policy, *, valid: bool) -> Prospect:
    if is_ready(life, policy):
        return Prospect.READY
    if not valid:
        return Prospect.ABSENT
    if life.phase is not Phase.IDLE or life.outcome is Outcome.NONE:
        return Prospect.COMING
    ends = {Outcome.FAILED: Prospect.FAILED, Outcome.COMPLETED: Prospect.ENDED}
    return ends.get(life.outcome, Prospect.STOPPED)


def _rests(life: Life, policy: Policy) -> bool:
    match life.phase:
        case Phase.IDLE | Phase.BACKOFF:
            return True
        case Phase.CLEANING:
            return life.deadline is not None  # what it left cannot be removed
        case Phase.RUNNING:
            return not policy.oneshot and life.deadline is None
        case _:
            return False


def foresee(seat: Seat, wish: Wish, outlooks: Mapping[str, Outlook], *, heard: bool) -> Outlook:
    """What is to be expected of a name.

    outlooks: those of the names that it comes after, as far as there is anything of them. heard: whether it has done as
    it was last told; what it was before means nothing until then.
    """
    found = _foresee(seat, wish, outlooks, heard=heard)
    ends = wish is not Wish.RUN or bool(list_missing(seat, outlooks)) or bool(find_lost(seat, outlooks))
    return found if seat.offer is None or ends else evolve(found, instance=seat.offer.instance)


def _foresee(seat: Seat, wish: Wish, outlooks: Mapping[str, Outlook], *, heard: bool) -> Outlook:
    if wish is Wish.LEAVE:
        return NOWHERE
    if not heard and wish is Wish.RUN:
        return Outlook(Prospect.COMING, rests=False)
    if seat.own is Prospect.READY and seat.phase is Phase.IDLE:
        return Outlook(Prospect.READY, rests=True)  # it has completed: nothing changes that
    if wish is Wish.HOLD:
        return Outlook(Prospect.STOPPED, rests=True)
    if seat.own in DOWN or seat.own is Prospect.ABSENT:
        return Outlook(seat.own, rests=True)
    if list_missing(seat, outlooks):
        return Outlook(Prospect.STOPPED, rests=seat.phase is Phase.BLOCKED)
    if seat.own is Prospect.READY:
        return Outlook(Prospect.READY, rests=True)
    if seat.phase is Phase.BLOCKED:
        awaited = list_awaited(seat, outlooks)
        if any(prospect is Prospect.ABSENT for _, prospect in awaited):
            return NOWHERE
        return Outlook(Prospect.COMING, rests=bool(awaited) and _all_rest(awaited, outlooks))
    return Outlook(Prospect.COMING, rests=seat.rests)


def _all_rest(awaited: Named, outlooks: Mapping[str, Outlook]) -> bool:
    return all(outlooks.get(name, NOWHERE).rests for name, _ in awaited)


def list_awaited(seat: Seat, outlooks: Mapping[str, Outlook]) -> Named:
    """Those that a start of it waits for."""
    required = [each for each in _look(seat.requires, outlooks) if each[1] is not Prospect.READY]
    shared = outlooks.get(seat.shares, NOWHERE)
    if shared.prospect is Prospect.READY and not shared.instance and seat.shares:
        required.append((seat.shares, Prospect.COMING))  # it is about to end, so that there is nothing to join
    others = (each for each in _look(seat.after, outlooks) if each[1] is Prospect.COMING)
    return tuple(sorted((*required, *others), key=lambda each: each[0]))


def list_missing(seat: Seat, outlooks: Mapping[str, Outlook]) -> Named:
    """Those that it requires and that are down, so that it is not to run either."""
    return tuple(each for each in _look(seat.requires, outlooks) if each[1] in DOWN)


def find_lost(seat: Seat, outlooks: Mapping[str, Outlook]) -> str:
    """The one whose network it shares, if that is not the one any more that it has joined, or is not there for one that
    is on its way to join it; empty where there is nothing of the kind."""
    if not seat.shares:
        return ""
    instance = outlooks.get(seat.shares, NOWHERE).instance
    if seat.joined:
        return seat.shares if instance != seat.joined else ""
    return seat.shares if not instance and seat.phase in _ON_ITS_WAY else ""


def _look(names: Iterable[str], outlooks: Mapping[str, Outlook]) -> Named:
    return tuple((name, outlooks.get(name, NOWHERE).prospect) for name in names)


def find_circle(start: str, list_next: Callable[[str], Iterable[str]], cleared: set[str]) -> tuple[str, ...]:
    """Names each of which waits for the next one, and the last for the first, on the way from a name; empty where there
    are none. list_next: whom a name waits for. cleared: those of which it is known that there are none; more are
    added."""
    way = {start: iter(list_next(start))}
    while way:
        last = next(reversed(way))
        for name in way[last]:
            if name in way:
                names = tuple(way)
                return names[names.index(name) :]
            if name not in cleared:
                way[name] = iter(list_next(name))
                break
        else:
            cleared.add(last)
            del way[last]
    return ()


def choose_passing(circle: Sequence[str], seats: Mapping[str, Seat]) -> tuple[str, str] | None:
    """Which of a circle is to start without waiting any longer, and for whom: the first by name that only comes
    ``after`` the next one, or where each requires that the first of all, as each can still have what it requires. None
    where each shares the network of the next one: nobody could be the first."""
    steps = sorted(zip(circle, (*circle[1:], circle[0]), strict=True))
    steps = [step for step in steps if step[1] != seats[step[0]].shares]
    loose = (step for step in steps if step[1] not in seats[step[0]].requires)
    return next(loose, steps[0] if steps else None)


def describe_passing(name: str, other: str, circle: Sequence[str]) -> str:
    """``a: starts without waiting for b to be ready: a and b wait for each other``."""
    return f"{name}: starts without waiting for {other} to be ready: {_join(sorted(circle))} wait for each other"


def choose_event(life: Life, turn: Turn, *, leaves: bool, hurried: bool) -> Event | None:
    """What a name may do now by its turn, or is to do; None for nothing.

    leaves: it is to be halted, and was not yet. hurried: what ends waits for nobody.
    """
    waits_to_end = life.phase is Phase.RUNNING and bool(turn.behind) and not hurried
    if leaves:
        return None if waits_to_end else Event.HALT
    match life.phase:
        case Phase.BLOCKED:
            return Event.UNBLOCKED if turn.may_start else None
        case Phase.WAITING | Phase.BUILDING | Phase.CREATING | Phase.STARTING | Phase.RUNNING:
            return Event.STAND_DOWN if (turn.missing or turn.lost) and not waits_to_end else None
        case _:
            return None


def describe_turn(life: Life, turn: Turn) -> str:
    """Why it is as it is, as far as others are the reason; empty where they are not."""
    match life.phase:
        case Phase.BLOCKED:
            return _describe_awaited(turn.awaited)
        case Phase.RUNNING:
            return _describe_behind(turn.behind)
        case Phase.ABANDONING | Phase.STOPPING | Phase.KILLING | Phase.CLEANING if life.wanted and life.halted:
            return _describe_missing(turn.missing) or _describe_lost(turn.lost)
        case _:
            return ""


def _describe_awaited(awaited: Named) -> str:
    """``waits for cache and db to be ready``; of one that will not become so for now it is said why."""
    names = [name if prospect is Prospect.COMING else f"{name} ({prospect.value})" for name, prospect in awaited]
    return f"{WAITS_FOR}{_join(names)} to be ready" if names else ""


def _describe_missing(missing: Named) -> str:
    """``stopped since db has failed``."""
    return f"stopped since {_join([f'{name} {_WHY_DOWN[why]}' for name, why in missing])}" if missing else ""


def _describe_lost(name: str) -> str:
    """``stopped since the network of db has ended``."""
    return f"stopped since the network of {name} has ended" if name else ""


def _describe_behind(names: tuple[str, ...]) -> str:
    """``stops once api and web have ended``."""
    have = "has" if len(names) == 1 else "have"
    return f"{STOPS_ONCE}{_join(list(names), rest='others')} {have} ended" if names else ""


def _join(names: list[str], rest: str = "") -> str:
    """``a, b and c``. rest: what those are called that are not listed, by default how many there are."""
    more = len(names) - MOST_NAMED
    if more > 0:
        names = [*names[:MOST_NAMED], rest or f"{more} more"]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
