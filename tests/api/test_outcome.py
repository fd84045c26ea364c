"""Whether a name is as an operation was to leave it."""

import pytest

from orchestrator.api.outcome import judge_outcome
from orchestrator.core.naming import PUT_OFF
from orchestrator.model.state import NameState, PublicState
from orchestrator.ports import Operation


@pytest.mark.parametrize(
    ("operation", "state", "message", "ok"),
    [
        (Operation.START, PublicState.RUNNING, "", True),
        (Operation.START, PublicState.COMPLETED, "", True),
        (Operation.START, PublicState.BACKOFF, "exited with code 1", False),
        (Operation.START, PublicState.INVALID, "", False),
        (Operation.START, PublicState.RUNNING, f"{PUT_OFF}no space left on device", True),
        (Operation.RESTART, PublicState.RUNNING, "", True),
        (Operation.RESTART, PublicState.RUNNING, f"{PUT_OFF}no space left on device", False),
        (Operation.STOP, PublicState.STOPPED, "", True),
        (Operation.STOP, PublicState.RUNNING, "", False),
        (Operation.STOP, PublicState.BACKOFF, "", False),
    ],
)
def test_a_state_is_judged_by_what_was_asked(operation: Operation, state: PublicState, message: str, ok: bool) -> None:
    outcome = judge_outcome(operation, "web", NameState(name="web", state=state, since=0.0, message=message), 1.0)
    assert (outcome.name, outcome.ok, outcome.word) == ("web", ok, state.value)
    assert message in outcome.message


@pytest.mark.parametrize(("operation", "ok"), [(Operation.STOP, True), (Operation.START, False)])
def test_a_name_that_is_gone_is_stopped_and_nothing_else(operation: Operation, ok: bool) -> None:
    outcome = judge_outcome(operation, "web", None, 1.0)
    assert (outcome.ok, outcome.state, outcome.word) == (ok, None, "gone")
