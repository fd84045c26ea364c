"""The one user of pyinotify: an inotify instance whose events a trio task can wait for.

It knows nothing of definitions or logs: what to watch and which events matter is for `watches` and `logs`. See
inotify(7) for the meaning of the masks. Floor: system.
"""

import contextlib
import ctypes
import errno
import logging
import os
from enum import IntFlag
from typing import Any, Protocol

import pyinotify
import trio
from attrs import frozen

from orchestrator.ports import OutsideError
from orchestrator.system.closing import Closing

# pyinotify writes to stderr through a handler of its own whenever it meets a watch that could not be added or that it
# no longer knows; both are ordinary here and are answered by return values.
pyinotify.log.handlers.clear()
pyinotify.log.addHandler(logging.NullHandler())
pyinotify.log.propagate = False
pyinotify.log.setLevel(logging.CRITICAL + 1)


class Mask(IntFlag):
    """What to watch for, and what an event says, as inotify(7) names them without ``IN_``."""

    MODIFY = 0x00000002
    ATTRIB = 0x00000004
    CLOSE_WRITE = 0x00000008
    MOVED_FROM = 0x00000040
    MOVED_TO = 0x00000080
    CREATE = 0x00000100
    DELETE = 0x00000200
    DELETE_SELF = 0x00000400
    MOVE_SELF = 0x00000800
    UNMOUNT = 0x00002000
    Q_OVERFLOW = 0x00004000
    IGNORED = 0x00008000
    ONLYDIR = 0x01000000
    DONT_FOLLOW = 0x02000000
    EXCL_UNLINK = 0x04000000
    MASK_ADD = 0x20000000
    ISDIR = 0x40000000
    ONESHOT = 0x80000000


class NoWatchesLeft(OutsideError):
    """The kernel refused another watch or another inotify instance; ``why`` names the sysctl that says how many."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")
        self.why = why


@frozen
class Event:
    """One event. ``watch`` is what `Inotify.add` gave (-1 for an overflow), ``name`` the entry of a watched folder that
    it is about, empty for the watched thing itself."""

    watch: int
    mask: Mask
    name: str = ""

    @property
    def overflow(self) -> bool:
        """Events were lost: anything may have changed."""
        return bool(self.mask & Mask.Q_OVERFLOW)


OVERFLOW = Event(-1, Mask.Q_OVERFLOW)


class Watcher(Protocol):
    """What watches are added to: an `Inotify`, or a share of one."""

    def add(self, path: str, mask: Mask) -> int:
        """See `Inotify.add`."""
        ...

    def remove(self, watch: int) -> None:
        """See `Inotify.remove`."""
        ...


class Inotify(Closing):
    """An inotify instance. One task at a time may wait. Close it when done; it is a context manager too.

    Raises NoWatchesLeft when the instance cannot be made.
    """

    def __init__(self) -> None:
        try:
            self._manager = pyinotify.WatchManager()
        except OSError as error:
            # pyinotify's error has no errno of its own. EMFILE means either of two limits.
            number = ctypes.get_errno()
            why = os.strerror(number) if number else str(error)
            raise NoWatchesLeft(
                "cannot make an inotify instance",
                f"{why}: raise the sysctl fs.inotify.max_user_instances (now {_limit('max_user_instances')})"
                " or the limit of open files",
            ) from None
        self._fd: int = self._manager.get_fd()
        # pyinotify calls inotify_init(2), which has no flags: without these two a child could inherit the descriptor.
        os.set_inheritable(self._fd, False)
        os.set_blocking(self._fd, False)
        self._events: list[Event] = []
        self._notifier = pyinotify.Notifier(self._manager, default_proc_fun=self._collect, timeout=0)
        self._closed = False

    def add(self, path: str, mask: Mask) -> int:
        """Watch ``path`` and return the watch's number. An inode that is watched already keeps its number, and its mask
        is replaced, with MASK_ADD added to.

        Raises NoWatchesLeft, and OSError where the path cannot be watched (missing, no right to read it).
        """
        try:
            watch: int = self._manager.add_watch(path, int(mask))[path]
        except UnicodeEncodeError:
            # pyinotify encodes strictly, so a path that is not UTF-8 cannot be watched by it.
            raise OSError(errno.EILSEQ, os.strerror(errno.EILSEQ), path) from None
        if watch >= 0:
            return watch
        number = ctypes.get_errno()
        if number == errno.ENOSPC:
            raise NoWatchesLeft(
                f"cannot watch {path}",
                "no inotify watches left: raise the sysctl fs.inotify.max_user_watches"
                f" (now {_limit('max_user_watches')})",
            )
        raise OSError(number, os.strerror(number), path)

    def remove(self, watch: int) -> None:
        """Give up a watch. One that the kernel has given up already (its file is gone) is no error."""
        self._manager.rm_watch(watch)
        self._manager.watches.pop(watch, None)

    async def wait(self) -> tuple[Event, ...]:
        """Wait until there are events and take them all. Cancellation-safe: no event is taken by a cancelled wait.

        Raises trio.ClosedResourceError when the instance is closed meanwhile."""
        while True:
            await trio.lowlevel.wait_readable(self._fd)
            if events := self.drain():
                return events

    def drain(self) -> tuple[Event, ...]:
        """Take the events that are there, without waiting. Raises trio.ClosedResourceError."""
        if self._closed:  # meanwhile, by another task, after the descriptor had become readable
            raise trio.ClosedResourceError
        # A read of nothing would be an error, hence the look first (a poll(2) with time-out 0).
        if self._notifier.check_events():
            try:
                self._notifier.read_events()
            except UnicodeDecodeError:
                # The name of some file is not UTF-8, and what was read together with it is lost.
                self._events.append(OVERFLOW)
        self._notifier.process_events()
        events, self._events = tuple(self._events), []
        return events

    def close(self) -> None:
        """Close the descriptor, and with it all watches. May be called twice."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(RuntimeError):  # outside of a trio run nobody waits
            trio.lowlevel.notify_closing(self._fd)
        # The notifier closes the descriptor; WatchManager.close would close the same number again.
        self._notifier.stop()

    def _collect(self, event: Any) -> None:  # noqa: ANN401 - pyinotify has no types
        self._events.append(Event(getattr(event, "wd", -1), Mask(event.mask), getattr(event, "name", "")))


def _limit(name: str) -> str:
    try:
        with open(f"/proc/sys/fs/inotify/{name}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown"
