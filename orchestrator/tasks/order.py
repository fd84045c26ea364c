"""Keeps what the containers need to know of each other, and tells each when its turn has come: for a start that waits,
for standing down, for an end that others come before.

What follows from what is decided by `orchestrator.core.order`. Nothing is polled and no task runs: a supervision notes
how it stands after all that it does, what that means for others is judged at once, and whoever it concerns is woken.
A wake carries no permission, so that a late one does no harm: who is woken looks at its turn as it is then.
Floor: tasks.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from attrs import define, evolve, field

from orchestrator.core.offer import Offer
from orchestrator.core.order import (
    DOWN,
    MOST_NAMED,
    NOWHERE,
    Named,
    Outlook,
    Seat,
    Turn,
    Wish,
    choose_passing,
    describe_passing,
    find_circle,
    find_lost,
    foresee,
    list_awaited,
    list_missing,
    take_seat,
)
from orchestrator.model.action import Action, Hold, Renew, Replace, Start, Stop
from orchestrator.model.life import Life, Phase
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState


@define(eq=False)
class _Known:
    """What is known of one name."""

    wake: Callable[[], None]
    seat: Seat = field(factory=Seat)
    wish: Wish = Wish.RUN
    heard: bool = False
    """It has done as it was last told."""
    waits: bool = False
    """A start of it waits for its turn."""
    freed: bool = False
    """It is let end before others, since they wait for each other."""
    passes: frozenset[str] = frozenset()
    """Those that its start does not wait for, since they wait for each other."""
    told: bool = False
    """It was told something and has not done it yet: whom it comes after may be others by then."""
    turn: Turn = field(factory=Turn)


class Order:
    """The places of all names. No method blocks."""

    def __init__(self, expect: Callable[[str], None], say: Callable[[str], None]) -> None:
        """expect: called with a name that is woken, before it is: it is not settled until it has answered. say: prints
        a line for people."""
        self._expect = expect
        self._say = say
        self._names: dict[str, _Known] = {}
        self._outlooks: dict[str, Outlook] = {}
        self._dependents: dict[str, dict[str, None]] = {}
        """Who comes after a name directly, in the order in which they said so."""
        self._ending: set[str] = set()
        """Who is to end and has not."""
        self._held_back: set[str] = set()
        """Those of them that others are to end before."""
        self._suspects: set[str] = set()
        """Who has begun to wait for one more to start: that one may wait for it, too."""
        self._is_open = False

    def open(self) -> None:
        """All names have been told what they are to be: from now on starts go on. Until then nobody knows who there
        is to wait for."""
        if not self._is_open:
            self._is_open = True
            self._revise(self._names)
            self._break_start_circles()

    def join(self, name: str, wake: Callable[[], None]) -> None:
        """There is a name now. wake: lets it look at its turn."""
        self._names[name] = _Known(wake)
        self._revise([name])

    def leave(self, name: str) -> None:
        """There is nothing of a name any more."""
        below = self._find_below(name)
        self._link(name, self._names.pop(name).seat.names, ())
        self._ending.discard(name)
        self._held_back.discard(name)
        self._suspects.discard(name)
        self._revise([name, *below])

    def tell(self, name: str, action: Action) -> None:
        """A name is about to be told an action of a plan. What it was before means nothing until it has done so."""
        known = self._names.get(name)
        if known is None:
            return  # it is gone, and hears nothing more
        known.told = True
        match action:
            case Hold():
                known.wish = Wish.HOLD
            case Stop():
                known.wish = Wish.LEAVE
            case Start() | Renew() | Replace():
                known.wish, known.heard = Wish.RUN, False
            case _:
                return
        self._revise([name])

    def note(
        self,
        name: str,
        life: Life,
        policy: Policy | None,
        *,
        valid: bool,
        heard: bool,
        instance: InstanceState | None = None,
    ) -> None:
        """How a name stands. valid, policy, instance: as of `take_seat`. heard: whether it has done all that it was
        told."""
        known = self._names[name]
        seat = take_seat(life, policy, valid=valid, instance=instance)
        if seat != known.seat or (heard and not known.heard):
            below = self._find_below(name)
            if seat.names != known.seat.names:
                self._link(name, known.seat.names, seat.names)
            known.seat, known.heard = seat, known.heard or heard
            self._revise([name, *below, *self._find_below(name)])
        if known.told and heard:
            known.told = False
            self._suspects.add(name)
        self._break_end_circle()
        self._break_start_circles()

    def wait(self, name: str) -> None:
        """A start of a name waits for its turn: AWAIT."""
        self._names[name].waits = True
        self._revise([name])

    def give_up(self, name: str) -> None:
        """It waits no more: UNAWAIT, or its turn was taken."""
        known = self._names[name]
        known.waits, known.passes = False, frozenset()
        known.turn = evolve(known.turn, may_start=False, awaited=(), rests=False)

    def waits(self, name: str) -> bool:
        """Whether a start of a name waits for its turn."""
        return self._names[name].waits

    def turn(self, name: str) -> Turn:
        """What its place among the others means for a name now."""
        return self._names[name].turn

    def find_offer(self, name: str) -> Offer | None:
        """The instance of a name whose namespaces can be joined now."""
        known = self._names.get(name)
        return known.seat.offer if known is not None else None

    def is_down(self, name: str) -> bool:
        """Whether a name is there and not to run, for now."""
        return self._outlooks.get(name, NOWHERE).prospect in DOWN

    def _link(self, name: str, before: Iterable[str], after: Iterable[str]) -> None:
        for other in before:
            self._dependents[other].pop(name, None)
            if not self._dependents[other]:
                del self._dependents[other]
        for other in after:
            self._dependents.setdefault(other, {})[name] = None

    def _revise(self, names: Iterable[str]) -> None:
        """Judge names again, and all whom it concerns what they are found to be."""
        queue = deque(names)
        while queue:
            name = queue.popleft()
            before = self._outlooks.get(name, NOWHERE)
            known = self._names.get(name)
            if known is None:
                after = NOWHERE
                self._outlooks.pop(name, None)
            else:
                after = foresee(known.seat, known.wish, self._outlooks, heard=known.heard)
                self._outlooks[name] = after
                queue.extend(self._note_end(name, known))
                self._judge(name, known)
            if after != before:
                queue.extend(self._dependents.get(name, ()))

    def _note_end(self, name: str, known: _Known) -> Iterable[str]:
        """Keep who is to end and has not; whom it concerns."""
        stands_down = bool(list_missing(known.seat, self._outlooks) or self._find_lost(known))
        ends = known.seat.lives and (known.wish is not Wish.RUN or stands_down)
        if ends == (name in self._ending):
            return ()
        if ends:
            self._ending.add(name)
        else:
            self._ending.discard(name)
            known.freed = False
        return self._find_below(name)

    def _judge(self, name: str, known: _Known) -> None:
        seat, awaited = known.seat, self._list_awaited(known)
        held_back = name in self._ending and seat.phase is Phase.RUNNING and not known.freed
        turn = Turn(
            may_start=known.waits and self._is_open and not awaited,
            awaited=awaited,
            missing=list_missing(seat, self._outlooks) if known.wish is Wish.RUN else (),
            lost=self._find_lost(known),
            behind=self._find_behind(name) if held_back else (),
            rests=bool(awaited) and self._outlooks[name].rests,
        )
        if turn.behind:
            self._held_back.add(name)
        else:
            self._held_back.discard(name)
        if turn != known.turn:
            if turn.awaited and turn.awaited != known.turn.awaited:
                self._suspects.add(name)
            known.turn = turn
            self._expect(name)
            known.wake()

    def _find_lost(self, known: _Known) -> str:
        """Until it is open nobody knows whether what an earlier agent has left is there still."""
        return find_lost(known.seat, self._outlooks) if self._is_open and known.wish is Wish.RUN else ""

    def _list_awaited(self, known: _Known) -> Named:
        if not known.waits:
            return ()
        awaited = list_awaited(known.seat, self._outlooks)
        return tuple(each for each in awaited if each[0] not in known.passes) if known.passes else awaited

    def _find_behind(self, name: str) -> tuple[str, ...]:
        """Who comes after a name, directly or over others that need not end, and is to end before it. Of many some: who
        they are is for people, and each that ends is not to be news for one that waits for a thousand."""
        return tuple(sorted(islice(self._walk_behind(name), MOST_NAMED + 1)))

    def _walk_behind(self, name: str) -> Iterator[str]:
        seen, left = {name}, [name]
        while left:
            for other in self._dependents.get(left.pop(), ()):
                if other in seen:
                    continue
                seen.add(other)
                if other in self._ending:
                    yield other
                else:
                    left.append(other)

    def _find_below(self, name: str) -> list[str]:
        """Those that are to end whom a name may stand in the way of."""
        if not self._ending:
            return []
        found: list[str] = []
        seen, left = {name}, [name]
        while left:
            known = self._names.get(left.pop())
            for other in known.seat.names if known is not None else ():
                if other in seen:
                    continue
                seen.add(other)
                (found if other in self._ending else left).append(other)
        return found

    def _break_start_circles(self) -> None:
        """Starts that wait for each other: the same may be so of those, and one of them goes on then."""
        cleared = set[str]()
        while self._suspects and self._is_open:
            name = self._suspects.pop()
            while circle := () if name in cleared else find_circle(name, self._list_waited_for, cleared):
                passing = choose_passing(circle, {each: self._names[each].seat for each in circle})
                if passing is None:
                    cleared.update(circle)
                    continue
                first, other = passing
                known = self._names[first]
                known.passes |= {other}
                self._say(describe_passing(first, other, circle))
                self._judge(first, known)

    def _list_waited_for(self, name: str) -> Iterable[str]:
        """Those that a start waits for and that wait themselves, as far as they have heard what they come after."""
        known = self._names.get(name)
        if known is None or known.told or not self._comes_before_any(name):
            return ()
        return (other for other, _ in known.turn.awaited if other in self._names and self._names[other].waits)

    def _comes_before_any(self, name: str) -> bool:
        """Whether any start waits for a name: else it is on no circle."""
        return any(self._names[other].waits for other in self._dependents.get(name, ()))

    def _break_end_circle(self) -> None:
        """Whoever is to end waits for another who is: no definitions that are valid together say so, but what runs may
        be of different times. All of them end at once then, rather than never."""
        if self._held_back and len(self._held_back) == len(self._ending):
            for name in tuple(self._held_back):
                known = self._names[name]
                known.freed = True
                self._judge(name, known)
