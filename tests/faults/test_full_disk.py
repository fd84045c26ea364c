"""No room left in the state directory or in the run directory: what runs goes on and is told of truly, what has to wait
says why, and all is done once there is room."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.small_disks import OwnDisks
from tests.host.agent_process import definition, life_of
from tests.host.host_view import find_cgroups

pytestmark = pytest.mark.real

QUICK = {"delay": "50ms", "max_delay": "200ms", "jitter": 0.0}
FULL = "No space left on device"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[OwnDisks]:
    with OwnDisks(tmp_path) as agent:
        yield agent


@pytest.mark.parametrize("which", ["state", "run"])
def test_what_runs_goes_on_and_what_waits_says_why(agent: OwnDisks, which: str) -> None:
    folder = Path(getattr(agent, which))
    for name in ("kept", "edited", "stopped"):
        agent.define(name, definition())
    agent.define("crashing", definition(restart=QUICK))
    agent.start()
    before = {name: agent.wait_state(name, "running") for name in ("kept", "edited", "stopped", "crashing")}

    agent.fill(folder)
    agent.define("edited", definition(env={"NEW": "1"}))
    agent.define("late", definition(restart=QUICK))
    row = agent.wait_row("edited", lambda row: FULL in row["message"], "a refusal")
    assert row["pid"] == before["edited"]["pid"]
    assert row["message"].startswith("cannot replace: cannot ")
    os.kill(before["crashing"]["pid"], signal.SIGKILL)
    # In a full state directory there is no need of more room for another instance of the same bundle.
    state = "running" if which == "state" else "backoff"
    agent.wait_row("crashing", lambda row: row["state"] == state and row["pid"] != before["crashing"]["pid"], state)
    agent.wait_until(lambda: FULL in agent.call("status").stderr, "the trouble in status")
    assert agent.call("plan").returncode == 0
    if which == "state":  # what an operator wants is noted in the other one
        assert agent.call("stop", "stopped").returncode == 0
    assert life_of(agent.row("kept")) == life_of(before["kept"])

    agent.make_room(folder)
    agent.wait_state("late", "running")
    agent.wait_state("crashing", "running")
    agent.wait_replaced("edited", before["edited"])
    agent.wait_until(lambda: not agent.call("status").stderr, "the trouble to be over")
    assert life_of(agent.row("kept")) == life_of(before["kept"])
    assert agent.end() == 0
    assert not find_cgroups(agent.cgroup_root)
    assert "Traceback" not in agent.output()


def test_an_agent_starts_on_a_full_state_directory(agent: OwnDisks) -> None:
    agent.define("late", definition(restart=QUICK))
    agent.fill(agent.state)
    agent.start()
    row = agent.wait_row("late", lambda row: row["state"] == "backoff", "an attempt")
    assert row["message"].endswith(f": {FULL}")
    shown = agent.call("status")
    assert f"cannot write {agent.layout.events}: {FULL}; what happens is not in the event log" in shown.stderr
    agent.make_room(agent.state)
    agent.wait_state("late", "running")
    agent.wait_until(lambda: not agent.call("status").stderr, "the trouble to be over")
    assert "the event log is written again" in agent.output()
    assert agent.end() == 0


def test_an_agent_does_not_start_on_a_full_run_directory(agent: OwnDisks) -> None:
    before = agent.start().start_container("kept")
    agent.kill()
    agent.fill(agent.run)
    started = agent.run_here()
    assert started.returncode == 1
    (line,) = started.stderr.splitlines()
    assert line.startswith("orchestrator: cannot ")
    assert line.endswith(FULL)

    agent.make_room(agent.run)
    agent.start()
    assert agent.row("kept")["pid"] == before["pid"]
    assert agent.end() == 0
