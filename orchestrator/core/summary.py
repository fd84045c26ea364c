"""The state of all containers in one line, for systemd's STATUS=. Floor: core."""

from collections import Counter
from collections.abc import Iterable

from orchestrator.model.state import NameState, PublicState

_ORDER = (
    PublicState.RUNNING,
    PublicState.COMPLETED,
    PublicState.WAITING,
    PublicState.BUILDING,
    PublicState.STARTING,
    PublicState.STOPPING,
    PublicState.BACKOFF,
    PublicState.FAILED,
    PublicState.INVALID,
    PublicState.STOPPED,
    PublicState.IDLE,
)


def summarize(states: Iterable[NameState]) -> str:
    """``3 running, 1 backoff``; ``no containers`` where there is none."""
    counts = Counter(state.state for state in states)
    return ", ".join(f"{counts[word]} {word.value}" for word in _ORDER if counts[word]) or "no containers"
