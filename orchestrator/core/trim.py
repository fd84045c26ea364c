"""How a log is kept within its bound: when to look at it again, and how much of its head goes. Pure.

Looking and cutting are for `orchestrator.tasks.trim` and the outside. Floor: core.
"""

DEFAULT_BOUND = 16 * 1024 * 1024
"""Bytes that a container's log may hold before its head is dropped."""

EVENTS_BOUND = 1024 * 1024
"""Bytes that the event log may hold."""

MIN_LOOK = 0.2
"""Seconds: the least time between two looks, over which the rate of writing is measured."""

MAX_LOOK = 10.0
"""Seconds: the longest time between a write and the look at what it made of the size."""


def bytes_to_keep(bound: int) -> int:
    """How many bytes remain of a log that has passed ``bound``: half, so that a cut pays for as many bytes to come."""
    return bound // 2


def bytes_to_drop(size: int, keep: int, block: int) -> int:
    """How many bytes go from the head of a log of ``size`` bytes so that at least ``keep`` (and one) remain.

    Whole blocks of ``block`` bytes, as fallocate(2) collapses no others and never the last; 0 for too little."""
    return max(0, size - max(keep, 1)) // block * block


def next_look(size: int, bound: int, rate: float) -> float:
    """Seconds until the next look at a log of ``size`` bytes that grows by ``rate`` bytes a second: when it will have
    reached ``bound``, and at the latest after `MAX_LOOK`. 0 if it has passed it."""
    if size > bound:
        return 0.0
    if rate <= 0:
        return MAX_LOOK
    return min((bound - size) / rate, MAX_LOOK)
