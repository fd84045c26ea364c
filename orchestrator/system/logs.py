"""Reading a log whose head is dropped while it is read: its last lines, and what is appended from then on.

A position is a count of bytes since the log's beginning, those that were collapsed included, so it stays right
whatever is dropped; see `collapse` for how the count is kept. Dropping is not done here. Floor: system.
"""

import fcntl
import os
from typing import Self

import trio
from attrs import frozen

from orchestrator.ports import OutsideError
from orchestrator.system.closing import Closing
from orchestrator.system.collapse import find_data, read_record, record_path
from orchestrator.system.inotify import Inotify, Mask
from orchestrator.system.links import walk_links
from orchestrator.system.watches import Wanted, Watches

CHUNK = 64 * 1024
"""Bytes that are read at a time."""


class LogUnwatchable(OutsideError):
    """The way to a log cannot be watched."""


@frozen
class Piece:
    """A part of a log. ``dropped`` bytes before it went before they could be read; ``data`` then begins with a whole
    line."""

    data: bytes
    dropped: int = 0


@frozen
class _Found:
    """What stands at a position: ``data`` from ``at`` on (both as positions), ``end`` of the log. ``cut``: something
    was dropped before ``at``."""

    data: bytes
    at: int
    end: int
    cut: bool


class LogReader(Closing):
    """An open log. Raises OSError when ``path`` cannot be opened. Close it when done; it is a context manager too."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        self._at = 0
        self._skipping = False
        self._closed = False

    def fileno(self) -> int:
        """The descriptor of the log."""
        return self._file

    @property
    def position(self) -> int:
        """How many bytes of all that was ever written lie before what is read next."""
        return self._at

    def seek_tail(self, lines: int | None) -> int:
        """Go to where the last ``lines`` lines begin (a last one without its end counts); None: to the log's head, 0:
        to its end. Returns the position of the end as it is now."""
        found = self._find(0, 0)
        self._at, self._skipping = found.at, found.cut
        if lines is None:
            return found.end
        # Backwards over the ends of lines. The last byte is left out: it ends the last line, or is a part of it.
        at, missing = max(found.at, found.end - 1), lines
        if lines == 0:
            self._at, self._skipping = found.end, False
            return found.end
        while at > self._at:
            lower = max(self._at, at - CHUNK)
            part = self._find(lower, at - lower)
            if part.at > lower:
                self._at, self._skipping = part.at, True
                return found.end
            index = len(part.data)
            while (index := part.data.rfind(b"\n", 0, index)) >= 0:
                missing -= 1
                if missing == 0:
                    self._at, self._skipping = lower + index + 1, False
                    return found.end
            at = lower
        return found.end

    def read(self, limit: int = CHUNK) -> Piece | None:
        """The next bytes, ``limit`` at most, or None at the end of the log. After an application has truncated its log
        the reading begins anew at its head."""
        dropped = 0
        while True:
            found = self._find(self._at, limit)
            if found.at > self._at:
                dropped += found.at - self._at
                self._skipping = True
            self._at = found.at + len(found.data)
            if not found.data:
                return Piece(b"", dropped) if dropped else None
            if not self._skipping:
                return Piece(found.data, dropped)
            end = found.data.find(b"\n") + 1
            self._skipping = end == 0
            dropped += end or len(found.data)
            if end and end < len(found.data):
                return Piece(found.data[end:], dropped)

    def is_replaced(self) -> bool:
        """Whether the path leads to another file by now. A file that is only gone is not replaced."""
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except OSError:
            return False

    def close(self) -> None:
        """Give up the descriptor. May be called twice."""
        if not self._closed:
            self._closed = True
            os.close(self._file)

    def _find(self, at: int, limit: int) -> _Found:
        while True:
            record = self._open_record()
            if record is None:
                found = self._find_beyond(0, at, limit)
                # The first drop makes the record: without one before and after, there was none between.
                if not os.path.exists(record_path(self._path)):
                    return found
                continue
            try:
                fcntl.flock(record, fcntl.LOCK_SH)
                return self._find_beyond(read_record(record), at, limit)
            finally:
                os.close(record)  # and with it the lock

    def _open_record(self) -> int | None:
        try:
            return os.open(record_path(self._path), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None

    def _find_beyond(self, collapsed: int, at: int, limit: int) -> _Found:
        size = os.fstat(self._file).st_size
        offset = at - collapsed
        if offset > size:
            offset = 0  # truncated by its application
        start = find_data(self._file, max(offset, 0), size)
        data = os.pread(self._file, limit, start) if limit else b""
        return _Found(data, collapsed + start, collapsed + size, collapsed + start > 0)


def read_tail(path: str, lines: int | None) -> bytes:
    """The last ``lines`` lines of the log ``path`` (None: all that it holds, from its first whole line). Raises OSError
    when it cannot be read."""
    parts = []
    with LogReader(path) as reader:
        reader.seek_tail(lines)
        while piece := reader.read():
            parts.append(piece.data)
    return b"".join(parts)


class LogFollower(Closing):
    """Follows the log ``path`` (absolute): an asynchronous iterator without an end, and a context manager.

    It begins with the last ``lines`` lines (None: all). The log may be missing at first, and be removed or replaced:
    the old one is read to its end, then the new one from its head. Waits for events, never polls.

    Raises OSError when the log cannot be read for another reason, NoWatchesLeft, LogUnwatchable.
    """

    def __init__(self, path: str, lines: int | None) -> None:
        self._path = path
        self._inotify = Inotify()
        self._watches = Watches(self._inotify)
        self._file_watch = -1
        self._reader = self._open()
        if self._reader is not None:
            self._reader.seek_tail(lines)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        """The next piece. Cancellation-safe: a cancelled wait has taken nothing."""
        await trio.lowlevel.checkpoint()
        while True:
            if self._reader is None:
                self._reader = self._open()
            if self._reader is not None and (piece := self._reader.read()) is not None:
                return piece
            if self._reader is not None and self._reader.is_replaced():
                self._reader.close()
                self._reader = None
            elif self._arm():
                await self._inotify.wait()

    def close(self) -> None:
        """Give up all descriptors. May be called twice."""
        self._inotify.close()
        if self._reader is not None:
            self._reader.close()

    def _open(self) -> LogReader | None:
        try:
            return LogReader(self._path)
        except FileNotFoundError:
            return None

    def _arm(self) -> bool:
        """Watch the way to the log, and the log itself. Returns whether all of it was watched before, so that nothing
        can have been missed."""
        wanted = Wanted()
        wanted.add_chain(walk_links(self._path))
        armed = self._watches.arm(wanted)
        if armed.failure:
            raise LogUnwatchable(f"cannot follow the log {self._path}: {armed.failure}")
        steady = armed.steady
        if self._reader is not None:
            # By the descriptor and not by the path, which may lead to another file by now.
            watch = self._inotify.add(f"/proc/self/fd/{self._reader.fileno()}", Mask.MODIFY | Mask.ATTRIB)
            if watch != self._file_watch:
                self._file_watch, steady = watch, False
        return steady
