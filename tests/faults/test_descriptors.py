"""An agent with fewer descriptors than its definitions need: it goes on, says so, and uses those that become free."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.agent_process import RUNTIMES, STAYS, AgentProcess, Row, definition, find_program

LIMIT = 56
COUNT = 24
"""More containers than descriptors for them, since each needs two."""
ANXIOUS = {"delay": "100ms", "max_delay": "500ms"}


class LimitedAgent(AgentProcess):
    """An agent that may have few descriptors."""

    def command(self, *options: str) -> list[str]:
        return [find_program("prlimit"), f"--nofile={LIMIT}:{LIMIT}", *super().command(*options)]


@pytest.fixture(params=RUNTIMES)
def agent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AgentProcess]:
    with LimitedAgent(tmp_path, request.param) as agent:
        yield agent


def running(agent: AgentProcess) -> dict[str, int]:
    """The process ids of what runs."""
    return {name: row["pid"] for name, row in agent.rows().items() if row["state"] == "running"}


def refused(agent: AgentProcess) -> dict[str, Row]:
    """What waits for another attempt after at least three."""
    return {name: row for name, row in agent.rows().items() if row["state"] == "backoff" and row["restarts"] >= 3}


@pytest.mark.real
def test_what_fits_runs_what_does_not_says_so_and_takes_its_turn_later(agent: AgentProcess) -> None:
    names = [f"c{number:02}" for number in range(COUNT)]
    for name in names:
        agent.define(name, definition(STAYS, restart=ANXIOUS))
    agent.start()
    before = running(agent)
    assert before, agent.describe()
    for name, row in agent.wait_until(lambda: refused(agent), "what does not fit").items():
        (problem,) = row["problems"] or [{"message": row["message"]}]
        assert re.match(rf"cannot create container {name}-\w+: fewer than \d+ of the {LIMIT} descr", problem["message"])
        assert any(line.startswith(f"{name}: ") and "descriptors" in line for line in agent.output().splitlines())
    assert running(agent).items() >= before.items(), "nothing that runs was touched by all these attempts"

    # The end of what runs makes room.
    *removed, kept = sorted(before)
    waiting = set(names) - running(agent).keys()
    agent.remove(*removed)
    agent.wait_until(lambda: running(agent).keys() & waiting, "a container that did not fit before")
    assert running(agent)[kept] == before[kept]
    assert agent.end() == 0, agent.describe()
    assert "Traceback" not in agent.output()
