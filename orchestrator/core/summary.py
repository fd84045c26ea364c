"""The state of all containers in one line, for systemd's STATUS= and the agent's own output. Floor: core."""

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


def describe_change(before: NameState | None, state: NameState) -> tuple[str, ...]:
    """The lines that tell of a change to whoever reads the agent's output; none for what does not matter there."""
    lines: list[str] = []
    if state.problems and (before is None or before.problems != state.problems):
        lines.extend(str(problem) for problem in state.problems)
    if before is not None and before.problems and not state.problems:
        lines.append(f"{state.name}: mended")
    if state.state is PublicState.STOPPING and state.pid is None:
        return tuple(lines)  # it ended by itself and is cleared away: what that leads to is told in a moment
    if (before is None or before.state is not state.state) and state.state in _WORTH_A_LINE:
        lines.append(_describe_state(state))
    elif before is not None and state.message and before.message != state.message:
        lines.append(f"{state.name}: {state.message}")
    return tuple(lines)


_WORTH_A_LINE = frozenset(
    {
        PublicState.RUNNING,
        PublicState.COMPLETED,
        PublicState.BACKOFF,
        PublicState.FAILED,
        PublicState.STOPPING,
        PublicState.STOPPED,
    }
)


def _describe_state(state: NameState) -> str:
    text = f"{state.name}: {state.state.value}"
    if state.state is PublicState.RUNNING:
        return f"{text} (pid {state.pid}, {state.instance})"
    if state.state in (PublicState.BACKOFF, PublicState.FAILED) and state.message:
        return f"{text}: {state.message}"
    return text
