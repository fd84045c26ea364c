"""How long to wait before an application is started again: two pure functions. Floor: core."""

from orchestrator.model.policy import Restart

_LONGEST_EXPONENT = 64
"""Beyond it a float could overflow; any growth has met its cap long before, or does not grow."""


def delay_after(policy: Restart, failures: int, chance: float) -> float:
    """Seconds to wait after the ``failures``-th end in a row (from 1). ``chance`` in [0, 1) chooses the jitter.

    Grows from ``delay`` by ``factor`` to ``max_delay``, and is never longer than that.
    """
    exponent = min(max(failures, 1) - 1, _LONGEST_EXPONENT)
    wait = min(policy.delay * policy.factor**exponent, policy.max_delay)
    return min(wait * (1 + policy.jitter * (2 * chance - 1)), policy.max_delay)


def count_failures(policy: Restart, before: int, ready_for: float | None) -> int:
    """How many failures in a row there are now, after an application ended that had been ready for ``ready_for``
    seconds (None: it never was)."""
    return 1 if ready_for is not None and ready_for >= policy.reset_after else before + 1
