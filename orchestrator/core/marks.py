"""Marks of a log: when how much of it had been written, and where each instance began. Pure.

The agent is not in the data path of logs, so no line has a time of its own. A mark is a moment at which the length of
the log was known; from a few of them follows where what was written since a moment begins, and which part is whose.
Marks are in the order in which they were made, which is that of their positions. Keeping them beside a log is for
`orchestrator.system.logmarks`. Floor: core.
"""

import math
import re
from collections.abc import Iterable, Sequence

from attrs import frozen

MOST_MARKS = 1024
"""A file of more marks than this is thinned out."""
KEPT_STARTS = 16
"""Of so many instances, the last, the beginning is kept while others are thinned out."""

_LINE = re.compile(r"(\d{1,12}\.\d{3}) (\d{1,19}) (\S{1,200})")
_NOBODY = "-"


@frozen
class Mark:
    """At ``at``, epoch seconds, the log had ``position`` bytes, those that were dropped since included. ``instance``:
    which one begins there, None for a mark in between."""

    at: float
    position: int
    instance: str | None = None


@frozen
class Section:
    """What one instance has written: the positions where it begins and ends, and when it and the next one began."""

    instance: str
    begin: int
    end: int
    began_at: float
    ended_at: float


def encode_mark(mark: Mark) -> str:
    """A mark as a line: the time with milliseconds, never earlier than it was, the position, the instance or
    ``-``."""
    return f"{math.ceil(mark.at * 1000) / 1000:.3f} {mark.position} {mark.instance or _NOBODY}\n"


def decode_marks(text: str) -> tuple[Mark, ...]:
    """The marks that a text holds. A line that is none, cut short by a crash or written over, is left out."""
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return tuple(
        Mark(float(match[1]), int(match[2]), None if match[3] == _NOBODY else match[3]) for match in found if match
    )


def find_since(marks: Iterable[Mark], when: float) -> int | None:
    """The position before which all was written before ``when``, as far on as that is known; None if it is not known
    of any.

    That is the mark before the first one that is later, and not the last one that is not later: after the clock was
    set back the two differ, and to show a little more is better than to leave something out.
    """
    position = None
    for mark in marks:
        if mark.at > when:
            break
        position = mark.position
    return position


def find_previous(marks: Iterable[Mark]) -> Section | None:
    """What the instance before the last one that began has written; None where none is known."""
    starts = [mark for mark in marks if mark.instance is not None]
    if len(starts) < 2:
        return None
    before, last = starts[-2:]
    assert before.instance is not None, "only the beginnings of instances were chosen"
    return Section(before.instance, before.position, last.position, before.at, last.at)


def thin_marks(marks: Sequence[Mark], head: int) -> tuple[Mark, ...]:
    """At most half of `MOST_MARKS`: without those of what was dropped before ``head``, and of the others every second
    one as often as needed, so that the older they are the further they lie apart. The last one and the beginnings of
    the last instances stay."""
    starts = [mark for mark in marks if mark.instance is not None][-KEPT_STARTS:]
    # The last mark at or before the head says when what follows it was begun.
    known = max((mark.position for mark in marks if mark.position <= head), default=head)
    kept = [mark for mark in marks if mark.position >= known or mark in starts]
    while len(kept) > MOST_MARKS // 2:
        last = len(kept) - 1
        kept = [mark for index, mark in enumerate(kept) if (last - index) % 2 == 0 or mark in starts]
    return tuple(kept)
