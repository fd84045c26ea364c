"""How long to wait before an application is started again, and when to give it up: pure functions. Floor: core."""

from orchestrator.core.values import format_duration
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


def note_restart(policy: Restart, before: tuple[float, ...], now: float) -> tuple[float, ...]:
    """When it was started again, for `is_exhausted`: no more than it can need. All times are seconds of one clock."""
    kept = (*(at for at in before if at > now - policy.window), now)
    return kept[-policy.max_restarts :] if policy.max_restarts else ()


def is_exhausted(policy: Restart, restarted_at: tuple[float, ...], now: float) -> bool:
    """Whether it was started again so often within the window that ends ``now`` that it is not once more. A restart
    after success counts too, as a start does in systemd.unit(5), StartLimitIntervalSec=."""
    if policy.max_restarts is None:
        return False
    return sum(at > now - policy.window for at in restarted_at) >= policy.max_restarts


def describe_exhaustion(policy: Restart, last: str) -> str:
    """Why it is not started again, and what it ended by."""
    if not policy.max_restarts:
        return f"gave up: restart.max_restarts is 0; last: {last}"
    restarts = "1 restart" if policy.max_restarts == 1 else f"{policy.max_restarts} restarts"
    return f"gave up: {restarts} within {format_duration(policy.window)}; last: {last}"
