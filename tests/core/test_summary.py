"""The agent's line for systemd."""

from attrs import evolve

from orchestrator.core.summary import summarize
from orchestrator.model.state import NameState, PublicState

RUNNING = NameState(name="web", state=PublicState.RUNNING, since=0, pid=7, instance="web-1")


def test_counts_in_a_fixed_order() -> None:
    states = [evolve(RUNNING, state=state) for state in (PublicState.INVALID, PublicState.RUNNING, PublicState.RUNNING)]
    assert summarize(states) == "2 running, 1 invalid"
    assert summarize([]) == "no containers"


def test_every_state_is_counted() -> None:
    for state in PublicState:
        assert summarize([evolve(RUNNING, state=state)]) == f"1 {state.value}"
