"""The marks beside a log, ``.marks``: when how much had been written, and where each instance began.

One writer, the agent; each mark is appended as a line. What a mark means, and which ones are worth keeping, is
`orchestrator.core.marks`'s; when to make one is decided by who opens a log for an instance, and by the trim task.
Floor: system.
"""

import os

from attrs import frozen

from orchestrator.core.marks import MOST_MARKS, Mark, decode_marks, encode_mark, find_since, thin_marks
from orchestrator.ports import LogBusy
from orchestrator.system.collapse import read_record, record_path
from orchestrator.system.files import append_line, write_atomic
from orchestrator.system.logs import LogReader

_LONGEST = 256
"""Bytes of a line of it, and more."""
_MOST_BYTES = MOST_MARKS * 48
"""A file of more bytes than this is looked through for more marks than enough."""


def marks_path(path: str) -> str:
    """The file with the marks of the log ``path``."""
    return f"{path}.marks"


def read_marks(path: str) -> tuple[Mark, ...]:
    """The marks of the log ``path``; none where there is no such file. Raises OSError when it cannot be read."""
    try:
        with open(marks_path(path), encoding="ascii", errors="replace") as file:
            return decode_marks(file.read())
    except FileNotFoundError:
        return ()


@frozen
class Start:
    """Where in a log to begin. ``known``: all before was written earlier than asked for; if not, it is the head of the
    log, and nothing tells when that was written."""

    position: int
    known: bool = True


def find_start(path: str, since: float) -> Start:
    """Where in the log ``path`` that begins which was written since a moment in epoch seconds, or a little before.
    Raises OSError when log or marks cannot be read, FileNotFoundError where there is no log."""
    with LogReader(path) as reader:
        end = reader.seek_tail(None)
        head = reader.position
    marks = read_marks(path)
    position = find_since(marks, since)
    if position is not None and position <= end:
        return Start(position)
    first = min((mark.position for mark in marks), default=end)
    return Start(head, known=position is None and first <= head)


def mark_start(path: str, instance: str, at: float) -> None:
    """Note that an instance begins now, ``at`` epoch seconds. Its log need not be there: what it writes may go
    elsewhere. Raises OSError.

    While somebody else looks at the log nothing tells how much of it there is, and without the mark nobody would ever
    know of the instance: then it begins where the last mark is, before which it has certainly written nothing."""
    try:
        held = _look_at(path) or _Held()
        position = held.end
    except LogBusy:
        held = _guess_at(path)
        last = _read_last(path)
        position = held.head if last is None else min(max(last.position, held.head), held.end)
    _add(path, Mark(at, position, instance), held)


def mark_position(path: str, at: float) -> None:
    """Note how much has been written by now, ``at`` epoch seconds, unless nothing was since the last mark, or
    nothing is there. Raises OSError, and LogBusy while somebody else looks at the log."""
    held = _look_at(path)
    if held is None:
        return
    last = _read_last(path)
    if last is None or last.position != held.end:
        _add(path, Mark(at, held.end), held)


@frozen
class _Held:
    """The positions that a log holds, from ``head`` to ``end``, and the mode of its file: who may read the one may read
    the other."""

    head: int = 0
    end: int = 0
    mode: int = 0o640


def _look_at(path: str) -> _Held | None:
    try:
        with LogReader(path, waits=False) as reader:
            end = reader.seek_tail(None)
            return _Held(reader.position, end, os.fstat(reader.fileno()).st_mode & 0o666)
    except FileNotFoundError:
        return None


def _guess_at(path: str) -> _Held:
    """`_look_at` without holding the count, which is raised before the head goes: in between the end seems further on
    than it is, the head never."""
    with open(record_path(path), "rb") as record:
        collapsed = read_record(record.fileno())
    status = os.stat(path)
    return _Held(collapsed, collapsed + status.st_size, status.st_mode & 0o666)


def _add(path: str, mark: Mark, held: _Held) -> None:
    file, line = marks_path(path), encode_mark(mark).encode()
    last = _read_last(path)
    if last is not None and last.position > mark.position:
        # The log was truncated, or removed and made anew: what was known is of bytes that are gone.
        write_atomic(file, line, held.mode)
        return
    append_line(file, line, held.mode)
    if os.stat(file).st_size > _MOST_BYTES:
        marks = thin_marks(read_marks(path), held.head)
        write_atomic(file, "".join(map(encode_mark, marks)).encode(), held.mode)


def _read_last(path: str) -> Mark | None:
    """The last mark; None where there is none, or none that can be read."""
    try:
        with open(marks_path(path), "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _LONGEST, 0))
            lines = file.read().decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        return None
    marks = decode_marks(lines[-1]) if lines else ()
    return marks[0] if marks else None
