"""Reading a log whose head is dropped while it is read: its last lines, or a part of it.

A position is a count of bytes since the log's beginning, those that were collapsed included, so it stays right
whatever is dropped; see `collapse` for how the count is kept. Dropping is not done here, and what is appended while
one waits is for `logfollow`. Without trio, so that commands that only read are quick. Floor: system.
"""

import errno
import fcntl
import os
import stat

from attrs import frozen

from orchestrator.ports import LogBusy
from orchestrator.system.closing import Closing
from orchestrator.system.collapse import find_data, read_record, record_path

CHUNK = 64 * 1024
"""Bytes that are read at a time."""

_MOST_SKIPPED = 16 * CHUNK
"""Of a line without a beginning, in one reading: lines may be of any length."""


@frozen
class Piece:
    """A part of a log. ``dropped`` bytes before it went before they could be read; ``data`` then begins with a whole
    line."""

    data: bytes
    dropped: int = 0


@frozen
class Found:
    """What stands at a position: ``data`` from ``at`` on (both as positions), ``end`` of the log. ``cut``: something
    was dropped before ``at``."""

    data: bytes
    at: int
    end: int
    cut: bool


class LogReader(Closing):
    """An open log. Raises OSError when ``path`` cannot be opened. Close it when done; it is a context manager too.

    Whoever may read a log may hold its count for as long as they like. ``waits``: every look waits for that, which is
    for commands only; without, as in the agent, it raises LogBusy, and another attempt goes on where this one began.
    """

    def __init__(self, path: str, *, waits: bool = True) -> None:
        self._path = path
        self._lock = fcntl.LOCK_SH if waits else fcntl.LOCK_SH | fcntl.LOCK_NB
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        if stat.S_ISDIR(os.fstat(self._file).st_mode):
            os.close(self._file)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
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

    def seek_tail(self, lines: int | None, end: int | None = None) -> int:
        """Go to where the last ``lines`` lines before the position ``end`` (default: the log's end) begin; a last one
        without its end counts. None: to the log's head, 0: to the end. Returns the position of that end as it is now.
        """
        search = TailSearch(self, lines, end)
        while not search.step():
            continue
        return search.end

    def seek(self, position: int) -> None:
        """Go to a position; to the log's head where that is further on, or the position is none of the log's."""
        found = self.look(position, 0)
        self._at, self._skipping = found.at, found.cut and found.at != position

    def place(self, at: int, *, in_line: bool) -> None:
        """Go to a position that was looked at. ``in_line``: the rest of a line is there, which is skipped."""
        self._at, self._skipping = at, in_line

    def seek_line(self, position: int) -> None:
        """As `seek`, to the beginning of the line that the position is in."""
        self.seek(position)
        at = self._at
        if at != position or at == 0:
            return
        part = self.look(max(at - CHUNK, 0), min(at, CHUNK))
        index = part.data.rfind(b"\n", 0, max(at - part.at, 0))
        if index >= 0:
            self._at = part.at + index + 1

    def read(self, limit: int = CHUNK) -> Piece | None:
        """The next bytes, ``limit`` at most, or None at the end of the log. After an application has truncated its log
        the reading begins anew at its head."""
        dropped = skipped = 0
        while skipped < _MOST_SKIPPED:
            try:
                found = self.look(self._at, limit)
            except LogBusy:
                if dropped:  # which must not be forgotten
                    return Piece(b"", dropped)
                raise
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
            skipped += end or len(found.data)
            if end and end < len(found.data):
                return Piece(found.data[end:], dropped)
        return Piece(b"", dropped)

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

    def look(self, at: int, limit: int) -> Found:
        """What stands at a position, ``limit`` bytes at most. Where it reads is not moved."""
        while True:
            record = self._open_record()
            if record is None:
                found = self._look_beyond(0, at, limit)
                # The first drop makes the record: without one before and after, there was none between.
                if not os.path.exists(record_path(self._path)):
                    return found
                continue
            try:
                fcntl.flock(record, self._lock)
                return self._look_beyond(read_record(record), at, limit)
            except BlockingIOError:
                raise LogBusy(f"cannot read the log {self._path}: somebody holds {record_path(self._path)}") from None
            finally:
                os.close(record)  # and with it the lock

    def _open_record(self) -> int | None:
        try:
            return os.open(record_path(self._path), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None

    def _look_beyond(self, collapsed: int, at: int, limit: int) -> Found:
        size = os.fstat(self._file).st_size
        offset = at - collapsed
        if offset > size:
            offset = 0  # truncated by its application
        start = find_data(self._file, max(offset, 0), size)
        data = os.pread(self._file, limit, start) if limit else b""
        return Found(data, collapsed + start, collapsed + size, collapsed + start > 0)


class TailSearch:
    """Takes a reader to where its last lines begin, as `LogReader.seek_tail` does, but in steps of `CHUNK` bytes
    backwards, so that who has other things to do can do them in between."""

    def __init__(self, reader: LogReader, lines: int | None, end: int | None = None) -> None:
        self._reader = reader
        self._lines = lines
        self._missing = lines or 0
        self._asked_end = end
        self._at = 0
        self._head: int | None = None
        self.end = 0
        """The position of the end, once there was a step."""

    def step(self) -> bool:
        """Look at one part more. Returns whether the reader is there now. Raises LogBusy, OSError; after LogBusy the
        same step can be tried again."""
        if self._head is None:
            return self._begin()
        lower = max(self._head, self._at - CHUNK)
        part = self._reader.look(lower, self._at - lower)
        if part.at > lower:  # the head was dropped meanwhile
            self._reader.place(part.at, in_line=True)
            return True
        if (ends := part.data.count(b"\n")) >= self._missing:
            index = len(part.data)
            for _ in range(self._missing):
                index = part.data.rfind(b"\n", 0, index)
            self._reader.place(lower + index + 1, in_line=False)
            return True
        self._missing -= ends
        self._at = lower
        return lower == self._head

    def _begin(self) -> bool:
        found = self._reader.look(0, 0)
        self.end = found.end if self._asked_end is None else min(self._asked_end, found.end)
        if self._lines == 0:
            self._reader.place(self.end, in_line=False)
            return True
        self._reader.place(found.at, in_line=found.cut)
        self._head = found.at
        # The last byte is left out: it ends the last line, or is a part of it.
        self._at = max(found.at, self.end - 1)
        return self._lines is None or self._at == found.at


def read_tail(path: str, lines: int | None) -> bytes:
    """The last ``lines`` lines of the log ``path`` (None: all that it holds, from its first whole line). Raises OSError
    when it cannot be read."""
    parts = []
    with LogReader(path) as reader:
        reader.seek_tail(lines)
        while piece := reader.read():
            parts.append(piece.data)
    return b"".join(parts)
