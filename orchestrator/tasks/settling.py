"""For which names something is under way, and who waits until that is over: for each name by itself.

Of several containers that crash and are started again and again there may be no moment at which nothing is under way
for any: whoever waits for all waits until each has settled once. Floor: tasks.
"""

import trio
from attrs import field, frozen

from orchestrator.model.state import NameState, PublicState


@frozen(eq=False)
class _Awaited:
    """Names that somebody waits for, as far as they have not settled since."""

    names: set[str]
    finished: bool
    """Nor is a oneshot at its work."""
    none_left: trio.Event = field(factory=trio.Event)

    def settle(self, name: str, *, at_work: bool) -> None:
        """A name has settled."""
        if not (at_work and self.finished):
            self.names.discard(name)
        if not self.names:
            self.none_left.set()


class Settling:
    """What is under way."""

    def __init__(self) -> None:
        self._unsettled: set[str] = set()
        self._at_work: set[str] = set()
        self._awaited: list[_Awaited] = []

    def expect(self, name: str) -> None:
        """A name has been told something: it is not settled until it has answered."""
        self._unsettled.add(name)

    def note(self, state: NameState, *, settled: bool) -> None:
        """How a name stands. settled: nothing is under way for it."""
        name, at_work = state.name, state.state is PublicState.RUNNING and not state.ready
        if at_work:
            self._at_work.add(name)
        else:
            self._at_work.discard(name)
        if settled:
            self._settle(name, at_work=at_work)
        else:
            self._unsettled.add(name)

    def forget(self, name: str) -> None:
        """The name is gone."""
        self._at_work.discard(name)
        self._settle(name, at_work=False)

    def _settle(self, name: str, *, at_work: bool) -> None:
        self._unsettled.discard(name)
        for awaited in self._awaited:
            awaited.settle(name, at_work=at_work)

    def is_settled(self, name: str) -> bool:
        """Whether nothing is under way for a name."""
        return name not in self._unsettled

    async def wait_settled(self) -> None:
        """Wait until each name that something is under way for has settled once."""
        await self._wait(self._unsettled, finished=False)

    async def wait_finished(self) -> None:
        """Wait until each name that something is under way for, or that is at its work, has settled once and was not at
        its work then."""
        await self._wait(self._unsettled | self._at_work, finished=True)

    async def _wait(self, names: set[str], *, finished: bool) -> None:
        if not names:
            return
        awaited = _Awaited(set(names), finished)
        self._awaited.append(awaited)
        try:
            await awaited.none_left.wait()
        finally:
            self._awaited.remove(awaited)
