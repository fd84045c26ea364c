"""A state directory or a run directory that cannot be written any more: what runs goes on, what has to wait says why,
and all is done once it can be written."""

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
READONLY = "Read-only file system"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[OwnDisks]:
    with OwnDisks(tmp_path) as agent:
        for name in ("kept", "edited", "crashing"):
            agent.define(name, definition(restart=QUICK))
        agent.start()
        yield agent


def test_a_state_directory(agent: OwnDisks) -> None:
    before = {name: agent.wait_state(name, "running") for name in ("kept", "edited", "crashing")}
    agent.forbid_writes(agent.state)
    os.kill(before["crashing"]["pid"], signal.SIGKILL)
    agent.define("edited", definition(env={"NEW": "1"}))
    row = agent.wait_row("edited", lambda row: READONLY in row["message"], "a refusal")
    assert row["pid"] == before["edited"]["pid"]
    agent.wait_row("crashing", lambda row: row["state"] == "backoff" and READONLY in row["message"], "a refusal")
    line = f"cannot write {agent.layout.events}: {READONLY}; what happens is not in the event log"
    assert line in agent.call("status").stderr
    assert agent.output().count(line) == 1
    assert life_of(agent.row("kept")) == life_of(before["kept"])

    agent.allow_writes(agent.state)
    agent.wait_state("crashing", "running")
    agent.wait_replaced("edited", before["edited"])
    agent.wait_until(lambda: not agent.call("status").stderr, "the trouble to be over")
    assert agent.end() == 0


def test_a_run_directory(agent: OwnDisks) -> None:
    before = {name: agent.wait_state(name, "running") for name in ("kept", "edited", "crashing")}
    agent.forbid_writes(agent.run)
    os.kill(before["crashing"]["pid"], signal.SIGKILL)
    agent.define("edited", definition(env={"NEW": "1"}))
    line = f"cannot write to {agent.run}: {READONLY}; what status shows may be old"
    agent.wait_until(lambda: line in agent.output(), line)
    agent.wait_until(lambda: "crashing: killed by signal 9" in agent.output(), "its end to be seen")
    # The agent cannot write of it, so that who reads looks himself.
    assert f"{agent.run} is read-only: what is shown may be old" in agent.call("status").stderr
    stopped = agent.call("stop", "kept")
    assert (stopped.returncode, READONLY in stopped.stderr) == (1, True)
    assert life_of(agent.row("kept")) == life_of(before["kept"])

    agent.allow_writes(agent.run)
    agent.wait_replaced("crashing", before["crashing"])
    agent.wait_replaced("edited", before["edited"])
    agent.wait_until(lambda: "the state files are written again" in agent.output(), "all to be written")
    assert not agent.call("status").stderr
    assert life_of(agent.row("kept")) == life_of(before["kept"])
    assert agent.end() == 0
    assert not find_cgroups(agent.cgroup_root)


@pytest.mark.parametrize("which", ["state", "run"])
def test_an_agent_does_not_start_on_one_and_leaves_what_runs(agent: OwnDisks, which: str) -> None:
    before = {name: agent.wait_state(name, "running")["pid"] for name in ("kept", "edited", "crashing")}
    folder = Path(getattr(agent, which))
    agent.kill()
    agent.forbid_writes(folder)
    started = agent.run_here()
    assert started.returncode == 1
    assert started.stderr == f"orchestrator: cannot open the lock {folder}/lock: {READONLY}\n"

    agent.allow_writes(folder)
    agent.start()
    assert {name: row["pid"] for name, row in agent.rows().items()} == before
    assert agent.end() == 0
