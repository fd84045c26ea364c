"""One inotify instance for several who watch, since a user has few of them (fs.inotify.max_user_instances).

What is watched is up to each of them. Floor: system.
"""

from collections.abc import Callable, Iterable

import trio

from orchestrator.system.closing import Closing
from orchestrator.system.inotify import Event, Inotify, Mask


class SharedInotify:
    """Made when the first one joins, given up when the last one leaves. It needs no task of its own: of those who wait,
    one reads the events for all."""

    def __init__(self) -> None:
        self._inotify: Inotify | None = None
        self._shares: list[Share] = []
        self._reading = False

    def join(self, matters: Callable[[Event], bool]) -> "Share":
        """A share of it, for who is to be woken by events that matter, to be closed by the caller. Raises
        NoWatchesLeft."""
        if self._inotify is None:
            self._inotify = Inotify()
        share = Share(self, self._inotify, matters)
        self._shares.append(share)
        return share

    @property
    def is_read(self) -> bool:
        """Whether somebody reads the events just now."""
        return self._reading

    async def read(self) -> None:
        """Wait for events and tell all of them. For one task at a time. Cancellation-safe."""
        assert self._inotify is not None, "who reads has a share"
        self._reading = True
        try:
            events = await self._inotify.wait()
        finally:
            self._reading = False
        for share in self._shares:
            share.tell(events)

    def hand_over(self) -> None:
        """Unless somebody reads, let one of those who wait do so."""
        if not self._reading:
            waiting = (share for share in self._shares if share.is_waiting)
            for share in waiting:
                share.wake()
                return

    def is_held(self, watch: int) -> bool:
        """Whether any share has this watch."""
        return any(watch in share.held for share in self._shares)

    def leave(self, share: "Share") -> None:
        """Forget a share."""
        self._shares.remove(share)
        if not self._shares and self._inotify is not None:
            self._inotify.close()
            self._inotify = None


class Share(Closing):
    """One's own watches in a `SharedInotify`. One task at a time may wait, and it closes it afterwards."""

    def __init__(self, shared: SharedInotify, inotify: Inotify, matters: Callable[[Event], bool]) -> None:
        self._shared = shared
        self._inotify = inotify
        self._matters = matters
        self._happened = False
        self._woken: trio.Event | None = None
        self._closed = False
        self.held: set[int] = set()
        """The watches that are ours, those of others too."""

    def add(self, path: str, mask: Mask) -> int:
        """As `Inotify.add`, but a mask is never taken away from others: it may hold more than was asked for."""
        watch = self._inotify.add(path, mask | Mask.MASK_ADD)
        self.held.add(watch)
        return watch

    def remove(self, watch: int) -> None:
        """Give up a watch; where others have it too, it stays for them."""
        self.held.discard(watch)
        if not self._shared.is_held(watch):
            self._inotify.remove(watch)

    async def wait(self) -> None:
        """Return when something that matters has happened since it last returned. Cancellation-safe."""
        try:
            while not self._happened:
                if self._shared.is_read:
                    self._woken = trio.Event()
                    await self._woken.wait()
                else:
                    await self._shared.read()
        finally:
            # Who leaves has read for the others, or was just about to.
            self._woken = None
            self._shared.hand_over()
        self._happened = False

    @property
    def is_waiting(self) -> bool:
        """Whether a task waits here while another one reads."""
        return self._woken is not None

    def wake(self) -> None:
        """Let the task that waits here look again."""
        if self._woken is not None:
            self._woken.set()

    def tell(self, events: Iterable[Event]) -> None:
        """Hear of events, which need not be about watches of this share."""
        if any(map(self._matters, events)):
            self._happened = True
            self.wake()

    def close(self) -> None:
        """Give up the watches. May be called twice."""
        if not self._closed:
            self._closed = True
            for watch in list(self.held):
                self.remove(watch)
            self._shared.leave(self)
