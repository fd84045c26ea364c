"""The logs that are kept within their bound: `orchestrator.ports.LogWatch` on real files, all on one inotify instance.

One instance for all, since a user has few of them (fs.inotify.max_user_instances). When to look and how much to drop is
for `orchestrator.tasks.trim`, the dropping itself for `collapse`. Floor: system.
"""

import os
import stat
import time
from collections.abc import Callable

import trio

from orchestrator.core.trim import MAX_LOOK
from orchestrator.ports import DiskFailed
from orchestrator.system.closing import Closing
from orchestrator.system.collapse import drop_head_of, held_bytes
from orchestrator.system.inotify import Inotify, Mask, NoWatchesLeft
from orchestrator.system.logmarks import mark_position


class HostLogs(Closing):
    """All logs of the agent. `run` must run while any of them is waited for. Close it when done; it is a context
    manager too."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[trio.Event]] = {}
        self._inotify: Inotify | None = None
        self._begun = trio.Event()
        self._closed = False
        self._tell: Callable[[str], object] = lambda _: None
        self.message = ""
        """Why logs are looked at in turns instead of after a write, or empty."""
        try:
            self._begin()
        except NoWatchesLeft as error:
            self._complain(error)

    def tell(self, tell: Callable[[str], object]) -> None:
        """Who is told of `message`, now and whenever it is another."""
        self._tell = tell
        tell(self.message)

    async def run(self) -> None:
        """Hand events to those who wait for them, until cancelled or closed."""
        while not self._closed:
            if self._inotify is None:
                await self._begun.wait()
                continue
            try:
                events = await self._inotify.wait()
            except trio.ClosedResourceError:
                return
            for event in events:
                if event.overflow:
                    for watch in list(self._waiting):
                        self._wake(watch)
                else:
                    self._wake(event.watch)

    def open(self, path: str, *, marked: bool = False) -> "HostLog":
        """The log at an absolute path, to be closed by the caller. ``marked``: with marks beside it, as those of
        applications have them. Never raises: see `HostLog.arm`."""
        return HostLog(self, path, marked)

    def watch_once(self, path: str) -> trio.Event | None:
        """An event that is set at the next write to ``path``; None where there is no watch to be had. Raises OSError
        where the path cannot be watched."""
        try:
            watch = self._begin().add(path, Mask.MODIFY | Mask.ONESHOT)
        except NoWatchesLeft as error:
            self._complain(error)
            return None
        self._note("")
        event = trio.Event()
        self._waiting.setdefault(watch, []).append(event)
        return event

    def forget(self, event: trio.Event) -> None:
        """Nobody waits for ``event`` any more: give up its watch."""
        for watch, events in list(self._waiting.items()):
            if event in events:
                events.remove(event)
                if not events and self._inotify is not None:
                    del self._waiting[watch]
                    self._inotify.remove(watch)

    def close(self) -> None:
        """Give up all watches. May be called twice."""
        self._closed = True
        self._begun.set()
        if self._inotify is not None:
            self._inotify.close()

    def _begin(self) -> Inotify:
        """The instance, which may not have been to be had so far. Raises NoWatchesLeft."""
        if self._inotify is None:
            self._inotify = Inotify()
            self._begun.set()
        return self._inotify

    def _wake(self, watch: int) -> None:
        for event in self._waiting.pop(watch, ()):
            event.set()

    def _complain(self, error: NoWatchesLeft) -> None:
        self._note(f"cannot watch logs: {error.why}; looking at logs every {MAX_LOOK:g} s instead")

    def _note(self, message: str) -> None:
        if message != self.message:
            self.message = message
            self._tell(message)


class HostLog(Closing):
    """One log, held open from the first `arm` on, so that it stays bounded even when its name is removed."""

    def __init__(self, logs: HostLogs, path: str, marked: bool = False) -> None:
        self._logs = logs
        self._path = path
        self._marked = marked
        self._file: int | None = None
        self._written: trio.Event | None = None

    def arm(self) -> None:
        """Remember from now on that something was written. Raises DiskFailed if the log cannot be opened or watched;
        `wait_modified` then returns after a while, for another attempt. What somebody has put in its place that is no
        regular file (a link to /dev/null) has no size to be bounded: it counts as empty and never written."""
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
            if self._written is not None and not self._written.is_set():
                return
            if stat.S_ISREG(os.fstat(self._file).st_mode):
                self._written = self._logs.watch_once(f"/proc/self/fd/{self._file}")
            else:
                self._written = trio.Event()
        except OSError as error:
            self._written = None
            raise DiskFailed(f"cannot keep the log {self._path} within its bound: {error.strerror}") from None

    async def wait_modified(self) -> None:
        """Return when something was written since `arm`, or after `MAX_LOOK` seconds where that cannot be watched."""
        if self._written is None:
            await trio.sleep(MAX_LOOK)
        else:
            await self._written.wait()

    def size(self) -> int:
        """How many bytes it holds; 0 while it is not open. Raises DiskFailed."""
        try:
            if self._file is None or not stat.S_ISREG(os.fstat(self._file).st_mode):
                return 0
            return held_bytes(self._file)
        except OSError as error:
            raise DiskFailed(f"cannot measure the log {self._path}: {error.strerror}") from None

    async def drop_head(self, keep: int) -> int:
        """See `orchestrator.system.collapse.drop_head`; in a thread, and not to be cancelled in the middle."""
        if self._file is None:
            return 0
        return await trio.to_thread.run_sync(drop_head_of, self._file, self._path, keep)

    def mark(self) -> None:
        """See `orchestrator.system.logmarks`; nothing for a log that is opened without."""
        if not self._marked:
            return
        try:
            mark_position(self._path, time.time())
        except OSError as error:
            raise DiskFailed(f"cannot write the marks of the log {self._path}: {error.strerror}") from None

    def close(self) -> None:
        """Give up the descriptor and the watch. May be called twice."""
        if self._written is not None:
            self._logs.forget(self._written)
            self._written = None
        if self._file is not None:
            os.close(self._file)
            self._file = None
