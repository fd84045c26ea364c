"""What people are told of a name: which of several messages."""

import pytest

from orchestrator.core.lifecycle import TAKEN_FOR_READY
from orchestrator.core.naming import describe_name
from orchestrator.model.health import HealthReport
from orchestrator.model.life import Life, Phase
from orchestrator.model.problem import Problem
from orchestrator.model.state import NameState, PublicState

SILENT = "not ready: it has not sent READY=1"
FAILING = "unhealthy: HTTP 503"


def describe(life: Life, message: str, building: str = "", problems: tuple[Problem, ...] = ()) -> NameState:
    """A name with this life, of whose health this is known, and how far a build is."""
    return describe_name(
        "web",
        life,
        None,
        None,
        None,
        None,
        problems=problems,
        refusal="",
        held=False,
        building=building,
        standing=None,
        health=HealthReport(message=message),
        waits_for=(),
        order="",
        log=None,
        now=0.0,
        wall_clock=0.0,
    )


@pytest.mark.parametrize(
    ("ready_since", "health", "told"),
    [
        (None, SILENT, SILENT),
        (1.0, SILENT, TAKEN_FOR_READY),
        (1.0, FAILING, FAILING),
        (1.0, "", TAKEN_FOR_READY),
    ],
)
def test_what_is_ready_is_never_said_not_to_be(ready_since: float | None, health: str, told: str) -> None:
    state = describe(Life(phase=Phase.RUNNING, ready_since=ready_since, message=TAKEN_FOR_READY), health)
    assert (state.ready, state.message) == (ready_since is not None, told)


def test_what_does_not_run_is_not_unhealthy() -> None:
    assert describe(Life(phase=Phase.STOPPING, message="exited with code 3"), FAILING).message == "exited with code 3"


def test_what_does_not_run_while_it_is_built_says_so() -> None:
    idle = describe(Life(), "", "is built")
    assert (idle.state, idle.message) == (PublicState.BUILDING, "is built")
    problem = Problem("/c/web.nix", 1, 1, "", "x")
    assert describe(Life(), "", "is built", (problem,)).state is PublicState.BUILDING
    assert describe(Life(), "").state is PublicState.IDLE
    runs = describe(Life(phase=Phase.RUNNING), "", "is built")
    assert (runs.state, runs.message) == (PublicState.RUNNING, "is built")
