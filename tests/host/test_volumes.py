"""`orchestrator volumes` beside an agent that runs, and with none."""

import json
from typing import Any

import pytest

from tests.host.agent_process import STAYS, AgentProcess, definition

pytestmark = pytest.mark.real

VOLUME = {"/data": {"type": "volume", "name": "data"}}


def volumes(agent: AgentProcess, *options: str) -> dict[str, Any]:
    """What there is to tell of each volume."""
    listed = agent.call("volumes", "--json", *options)
    assert listed.stderr == ""
    return {each.pop("name"): each for each in json.loads(listed.stdout)}


def test_volumes_are_listed_and_removed_when_nobody_uses_them(own_agent: AgentProcess) -> None:
    agent = own_agent.start()
    assert volumes(agent) == {}
    command = f"test -e /data/file && echo again; head -c 100000 /dev/urandom >/data/file; echo done; {STAYS}"
    row = agent.start_container("web", definition(command, mounts=VOLUME))
    agent.wait_log("web", "done\n")
    agent.wait_until(lambda: sorted(agent.state.glob("generations/*.jsonl")), "the first generation")
    (told,) = volumes(agent).values()
    assert told.pop("size") >= 100_000
    assert told == {"definitions": ["web"], "instances": [row["instance"]], "generations": []}

    removed = agent.call("volumes", "rm", "data")
    assert removed.returncode == 1
    assert removed.stderr == f"orchestrator: cannot remove the volume data: it is in use by {row['instance']}\n"
    assert agent.call("volumes", "rm", "--unused").stdout == ""

    # With its definition gone, a roll-back would still want it.
    agent.remove("web")
    agent.wait_until(lambda: len(sorted(agent.state.glob("generations/*.jsonl"))) == 2, "the second generation")
    assert volumes(agent)["data"]["definitions"] == []
    assert volumes(agent)["data"]["generations"] == [1]
    removed = agent.call("volumes", "rm", "data")
    assert removed.returncode == 1
    assert "a roll-back to generation 1 would want it" in removed.stderr
    assert agent.call("volumes", "rm", "--unused", "--ignore-generations").stdout == "data\n"
    assert volumes(agent) == {}
    assert list((agent.state / "kept/volumes").iterdir()) == []

    # Who comes back begins anew.
    agent.start_container("web", definition(command, mounts=VOLUME))
    assert "again" not in agent.wait_log("web", "done\n")[-20:]
    assert agent.end() == 0
    there = ("--config", str(agent.config))
    assert volumes(agent, *there)["data"] | {"size": 0} == {
        "size": 0,
        "definitions": ["web"],
        "instances": [],
        "generations": [1],
    }
    assert "it is in use by the definition of web" in agent.call("volumes", "rm", "data", *there).stderr
    assert list(agent.run.glob("*.lock")) == []


def test_another_run_directory_is_noticed(own_agent: AgentProcess) -> None:
    agent = own_agent.start()
    answer = agent.call("volumes", "--run", str(agent.base / "another"))
    assert answer.returncode == 1
    assert f"an agent has {agent.state}, and its run directory is not {agent.base}/another" in answer.stderr
