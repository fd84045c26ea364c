"""Looking at file systems that may never answer: a look that hangs is left behind with its thread, and goes on to hang
alone.

A look goes in steps and names each path before it touches it. When it gets no further, the mount that this path lies on
is silent: the look begins anew, and as long as that thread has not come back nothing touches the mount again, so there
is one such thread a mount, however often is looked. A mount that is replaced is another one, and asked anew. What is
looked at is for the callers. Floor: system.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

import trio
from attrs import frozen

from orchestrator.system.mountinfo import MountLine, find_mount, read_mounts
from orchestrator.system.steps import NoAnswer, Steps

if TYPE_CHECKING:
    from outcome import Outcome

T = TypeVar("T")

PATIENCE = 2.0
"""Seconds that one step may take: more than a disk at work takes."""


class Looks(Generic[T]):
    """Looks of one kind, one at a time. One task at a time may use it."""

    def __init__(self, on_news: Callable[[], object], patience: float = PATIENCE) -> None:
        """on_news: called by the event loop when something that was silent answers. patience: as `PATIENCE`."""
        self._on_news = on_news
        self._patience = patience
        self._silent: tuple[_Silent, ...] = ()
        self._errand: _Errand[T] | None = None

    async def take(self, begin: Callable[[], Steps[T]]) -> T:
        """What a look finds. Raises what it raises. A cancel leaves its thread to itself; the next look waits until
        that has come back, or hangs."""
        while True:
            if self._errand is None:
                self._forget_replaced()
                self._errand = _Errand(begin(), self._silent, self._come_back)
                self._errand.start()
            errand = self._errand
            try:
                came_back = await errand.wait(self._patience)
            except trio.Cancelled:
                errand.part()
                raise
            self._errand = None
            if not came_back:
                self._silent += (_Silent(errand, errand.path, _find_mount(errand.path)),)
            elif not errand.parted:
                return errand.result()

    def _forget_replaced(self) -> None:
        """Who hangs on a mount that is gone may hang for ever; what is mounted in its place is asked anew."""
        self._silent = tuple(each for each in self._silent if not each.is_replaced())

    def _come_back(self, errand: "_Errand[T]") -> None:
        left = tuple(each for each in self._silent if each.errand is not errand)
        if len(left) < len(self._silent):
            self._silent = left
            self._on_news()


@frozen
class _Silent:
    """What a thread hangs at. ``mount``: None where it could not be found out."""

    errand: object
    path: str
    mount: MountLine | None

    def holds(self, path: str) -> bool:
        """Whether ``path`` may hang as well. On the root's file system lies everything: of that only what hangs."""
        known = self.mount is not None and self.mount.point != "/"
        place = self.mount.point if self.mount is not None and known else self.path
        return path == place or path.startswith(f"{place.rstrip('/')}/")

    def is_replaced(self) -> bool:
        """Whether the path lies on another mount by now."""
        now = _find_mount(self.path)
        return now is not None and self.mount is not None and now.number != self.mount.number


def _find_mount(path: str) -> MountLine | None:
    try:
        return find_mount(path, read_mounts())
    except OSError:  # no descriptor left
        return None


class _Errand(Generic[T]):
    """A thread's way through a look, until it is done or parted from."""

    def __init__(self, steps: Steps[T], silent: tuple[_Silent, ...], on_return: "Callable[[_Errand[T]], None]") -> None:
        """on_return: called by the event loop when the thread has come back."""
        self._steps = steps
        self._silent = silent
        self._on_return = on_return
        self._lock = threading.Lock()
        self._count = 0
        self._back = trio.Event()
        self._outcome: Outcome[T] | None = None
        self.parted = False
        """Whether it takes no further step, since nobody waits for its result."""
        self.path = ""
        """What it looks at."""

    def start(self) -> None:
        """Begin, in a thread."""
        token = trio.lowlevel.current_trio_token()

        def deliver(outcome: "Outcome[T]") -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(self._come_back, outcome)

        trio.lowlevel.start_thread_soon(self._run, deliver)

    async def wait(self, patience: float) -> bool:
        """Wait until it has come back; parts from it, and returns False, where one step takes longer."""
        # Looked at twice, since all of this process may have been stopped for a while.
        seen, looks = -1, 0
        while not self._back.is_set():
            with self._lock:
                seen, looks = self._count, looks + 1 if self._count == seen else 0
                if looks == 2:
                    self.parted = True
                    return False
            with trio.move_on_after(patience / 2):
                await self._back.wait()
        return True

    def part(self) -> None:
        """Let it take no further step."""
        with self._lock:
            self.parted = True

    def result(self) -> T:
        """What it has found, once it is back and was not parted from. Raises what it has raised."""
        assert self._outcome is not None, "it is back"
        return self._outcome.unwrap()

    def _run(self) -> T:
        try:
            path = next(self._steps)
            while self._may_go_on(path):
                path = self._steps.throw(NoAnswer(path)) if self._is_silent(path) else next(self._steps)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            self._steps.close()
        raise NoAnswer(path)  # and nobody asks for it

    def _may_go_on(self, path: str) -> bool:
        with self._lock:
            self._count += 1
            self.path = path or self.path
            return not self.parted

    def _is_silent(self, path: str) -> bool:
        return bool(path) and any(each.holds(path) for each in self._silent)

    def _come_back(self, outcome: "Outcome[T]") -> None:
        self._outcome = outcome
        self._back.set()
        self._on_return(self)
