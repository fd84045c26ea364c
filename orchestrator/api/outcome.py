"""What became of one name that an operator asked for: whether it is as asked, as one line of JSON. Floor: api."""

from typing import Any

from attrs import evolve, field, frozen

from orchestrator.core.naming import PUT_OFF
from orchestrator.core.status import describe_row, make_rows, row_to_json
from orchestrator.model.state import NameState, PublicState
from orchestrator.ports import Operation

AS_STARTED = frozenset({PublicState.RUNNING, PublicState.COMPLETED})
"""Where a start or a restart is to lead."""
AS_STOPPED = frozenset(
    {PublicState.STOPPED, PublicState.IDLE, PublicState.COMPLETED, PublicState.FAILED, PublicState.INVALID}
)
"""Where a stop is to lead: to nothing that runs or will run."""


@frozen(kw_only=True)
class Outcome:
    """``state`` is the name's row as ``status --json`` has it, or None: the name is gone. ``message`` is for people;
    empty where there is no more to say than the state."""

    name: str
    ok: bool
    state: dict[str, Any] | None = field(default=None)
    message: str = ""

    @property
    def word(self) -> str:
        """The state in one word."""
        return "gone" if self.state is None else str(self.state["state"])


def judge_outcome(operation: Operation, name: str, state: NameState | None, now: float) -> Outcome:
    """Whether a name on which nothing is under way any more is as an operation was to leave it.

    now: epoch seconds, for the message."""
    if state is None:
        stopped = operation is Operation.STOP
        return Outcome(name=name, ok=stopped, message="" if stopped else "its definition was removed")
    wanted = AS_STOPPED if operation is Operation.STOP else AS_STARTED
    put_off = operation is Operation.RESTART and state.message.startswith(PUT_OFF)
    return _outcome_of(name, state, state.state in wanted and not put_off, now)


def accept_outcome(name: str, state: NameState | None, now: float) -> Outcome:
    """What there is to say of a name whose operation has only begun: how it is still."""
    return Outcome(name=name, ok=True) if state is None else _outcome_of(name, state, True, now)


def _outcome_of(name: str, state: NameState, ok: bool, now: float) -> Outcome:
    (row,) = make_rows([state], [], agent_alive=True)
    # Who has just asked for a stop need not be told by whom it was stopped.
    seen = evolve(row, held=row.held and not ok)
    message = describe_row(seen, now, f"see `orchestrator status {name}`" if ok else "see below")
    return Outcome(name=name, ok=ok, state=row_to_json(row), message=message)
