"""How often what an application brings about is told, however often it does: pure.

Whoever tells keeps what is held back, and tells the last of it when the pace allows. Floor: core.
"""

import math

from attrs import frozen

SECONDS = 1.0
"""Between two that are told, where there are many."""

AT_ONCE = 2
"""So many are told at once after a quiet time: a change, and the one that takes it back, as of a reload."""


@frozen
class Pace:
    """What was told of late. Times are those of one monotonic clock, in seconds."""

    quiet_at: float = -math.inf
    """When it will be as if nothing had been told."""

    @property
    def next_at(self) -> float:
        """From when on something may be told."""
        return self.quiet_at - (AT_ONCE - 1) * SECONDS

    def note(self, now: float) -> "Pace":
        """Something is told."""
        return Pace(max(self.quiet_at, now) + SECONDS)
