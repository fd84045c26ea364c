"""No inotify watch or instance left for the agent: it looks in turns, names the sysctl that says how many there may be,
and goes back to events by itself. The two sysctls are the whole machine's, so they are low for moments only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.agent_process import AgentProcess, definition, life_of
from tests.system.helpers_inotify import limited

pytestmark = [pytest.mark.real, pytest.mark.alone]

WATCHES, INSTANCES = "max_user_watches", "max_user_instances"
OF_LOGS = "looking at logs every "
OF_DIRECTORY = "looking every 5 s instead"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    with AgentProcess(tmp_path, "runc") as agent:  # one is enough: this is not the runtime's
        yield agent


def wait_warned(agent: AgentProcess, *words: str) -> None:
    """Wait until the warnings of `status` have these words."""
    agent.wait_until(lambda: all(word in agent.call("status").stderr for word in words), f"{words} in status")


def wait_over(agent: AgentProcess) -> None:
    agent.wait_until(lambda: not agent.call("status").stderr, "the trouble to be over")


def test_while_it_runs(agent: AgentProcess, tmp_path: Path) -> None:
    agent.define("kept", definition())
    agent.start()
    before = agent.wait_state("kept", "running")
    missing = tmp_path / "missing"
    with limited(WATCHES):
        # The way to what a definition lacks is watched, too.
        agent.define("waits", definition(mounts={"/data": {"type": "bind", "source": str(missing)}}))
        wait_warned(agent, f"fs.inotify.{WATCHES} (now 0)", OF_DIRECTORY)
        agent.start_container("late")
    missing.mkdir()
    agent.wait_state("waits", "running")
    wait_over(agent)
    assert life_of(agent.row("kept")) == life_of(before)
    assert agent.end() == 0


@pytest.mark.parametrize("name", [WATCHES, INSTANCES])
def test_from_its_start_on(agent: AgentProcess, name: str) -> None:
    agent.define("kept", definition())
    with limited(name):
        agent.start()
        before = agent.wait_state("kept", "running")
        wait_warned(agent, f"fs.inotify.{name} (now 0)", OF_DIRECTORY, OF_LOGS)
    assert agent.output().count(OF_LOGS) == 1
    agent.start_container("late")
    wait_over(agent)
    assert "logs are looked at when they are written again" in agent.output()
    assert life_of(agent.row("kept")) == life_of(before)
    assert agent.end() == 0
