"""The agent's lines for people: one for systemd, and those that tell of a change."""

from attrs import evolve

from orchestrator.core.summary import describe_change, summarize
from orchestrator.model.problem import Problem
from orchestrator.model.state import NameState, PublicState

RUNNING = NameState(name="web", state=PublicState.RUNNING, since=0, pid=7, instance="web-1")
PROBLEM = Problem("web.toml", 3, 1, "env", "wrong")


def test_counts_in_a_fixed_order() -> None:
    states = [evolve(RUNNING, state=state) for state in (PublicState.INVALID, PublicState.RUNNING, PublicState.RUNNING)]
    assert summarize(states) == "2 running, 1 invalid"
    assert summarize([]) == "no containers"


def test_every_state_is_counted() -> None:
    for state in PublicState:
        assert summarize([evolve(RUNNING, state=state)]) == f"1 {state.value}"


def test_what_has_not_changed_is_not_told() -> None:
    assert describe_change(None, RUNNING) == ("web: running (pid 7, web-1)",)
    assert describe_change(RUNNING, RUNNING) == ()


def test_a_problem_is_told_once_and_its_mending_too() -> None:
    broken = evolve(RUNNING, problems=(PROBLEM,))
    assert describe_change(RUNNING, broken) == ("web.toml:3:1: env: wrong",)
    assert describe_change(broken, broken) == ()
    assert describe_change(broken, RUNNING) == ("web: mended",)


def test_a_failure_is_told_with_its_reason() -> None:
    failed = evolve(RUNNING, state=PublicState.BACKOFF, message="exited with code 3")
    assert describe_change(RUNNING, failed) == ("web: backoff: exited with code 3",)


def test_only_what_is_asked_to_stop_is_told_to_be_stopping() -> None:
    stopping = evolve(RUNNING, state=PublicState.STOPPING)
    assert describe_change(RUNNING, stopping) == ("web: stopping",)
    assert describe_change(RUNNING, evolve(stopping, pid=None)) == ()


def test_a_message_that_changes_is_told() -> None:
    assert describe_change(RUNNING, evolve(RUNNING, message="cannot update")) == ("web: cannot update",)
