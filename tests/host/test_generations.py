"""Generations with real containers: an edit, its history, the way back, over the agent's end; a file that is broken
when an agent starts."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.agent_process import AgentProcess, definition

pytestmark = pytest.mark.real

FIRST = definition("echo first; exec sleep 100000", stop={"signal": "KILL"})
SECOND = definition("echo second; exec sleep 100000", stop={"signal": "KILL"})
BROKEN = "args = 3\n"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    """An agent, not started yet."""
    with AgentProcess(tmp_path, "runc") as agent:
        yield agent


def call(agent: AgentProcess, *words: str, code: int = 0) -> str:
    """What a command says that ends so."""
    done = agent.call(*words)
    assert done.returncode == code, done
    return done.stdout


def wait_generation(agent: AgentProcess, number: int) -> None:
    agent.wait_until(lambda: os.path.exists(agent.layout.generation(number)), f"generation {number}")


def live_of(agent: AgentProcess) -> list[tuple[int, bool, bool]]:
    listed: list[dict[str, Any]] = json.loads(call(agent, "history", "--json"))
    return [(each["number"], each["live"], each["pinned"]) for each in listed]


def test_an_edit_is_gone_back_from_and_to(agent: AgentProcess) -> None:
    agent.define("web", FIRST)
    agent.define("other", definition())
    agent.start()
    other, before = agent.wait_state("other", "running"), agent.wait_state("web", "running")
    wait_generation(agent, 1)
    agent.define("web", SECOND)
    agent.define("new", FIRST)
    edited = agent.wait_replaced("web", before)
    agent.wait_state("new", "running")
    wait_generation(agent, 2)
    assert live_of(agent) == [(1, False, False), (2, True, False)]
    assert call(agent, "diff", "1").splitlines()[:2] == ["new: added", "web: changed"]

    assert call(agent, "rollback").startswith("generation 1 is pinned: ")
    back = agent.wait_replaced("web", edited)
    agent.wait_until(lambda: "new" not in agent.rows(), "new to go")
    assert back["edit"]["generation"] == 1
    assert agent.log("web").splitlines() == ["first", "second", "first"]
    assert live_of(agent) == [(1, True, True), (2, False, False)]
    assert "generation 1 is pinned" in agent.call("status").stderr
    assert call(agent, "plan").splitlines() == ["2 unchanged"]

    # An edit is told of and changes nothing, and the next agent keeps to it.
    agent.define("web", BROKEN)
    agent.wait_until(lambda: "web.toml:1:8: args" in call(agent, "status"), "the problem")
    assert agent.row("web")["instance"] == back["instance"]
    agent.exit_policy = "leave"
    agent.kill()
    agent.start()
    agent.wait_until(lambda: "generation 1 is pinned" in agent.call("status").stderr, "the next agent to follow it")
    agent.wait_until(lambda: "web.toml:1:8: args" in call(agent, "status"), "the problem, told once more")
    rows = agent.rows()
    assert (rows["web"]["pid"], rows["other"]["pid"]) == (back["pid"], other["pid"])
    assert "new" not in rows

    agent.define("web", SECOND)
    assert call(agent, "rollback", "--resume") == "the directory is followed again\n"
    agent.wait_replaced("web", back)
    agent.wait_state("new", "running")
    assert agent.row("other")["pid"] == other["pid"]
    assert live_of(agent) == [(1, False, False), (2, True, False)]
    agent.exit_policy = "stop"
    assert "operator: roll back to generation 1" in call(agent, "events")


def test_a_file_that_is_broken_at_the_start_runs_by_its_last_good_definition(agent: AgentProcess) -> None:
    agent.define("web", FIRST)
    agent.start()
    agent.wait_state("web", "running")
    wait_generation(agent, 1)
    assert agent.end() == 0
    agent.define("web", BROKEN)
    agent.start()
    row = agent.wait_state("web", "running")
    assert (len(row["problems"]), row["edit"]["generation"]) == (1, 1)
    assert agent.log("web").splitlines() == ["first", "first"]
    line = "goes by its last good definition, of generation 1"
    assert line in call(agent, "status")
    assert line in call(agent, "status", "web")
    assert line in call(agent, "events")
    # It ends by itself, and by an operator: as often as it is started, it is by that one.
    os.kill(row["pid"], 9)
    agent.wait_row("web", lambda now: now["state"] == "running" and now["pid"] != row["pid"], "another instance")
    call(agent, "restart", "web")
    assert agent.log("web").splitlines() == ["first"] * 4
    agent.define("web", SECOND)
    agent.wait_log("web", "second")
    assert agent.row("web")["problems"] == []
    wait_generation(agent, 2)


def test_what_is_adopted_with_a_broken_file_crashes_back_to_its_last_good_definition(agent: AgentProcess) -> None:
    agent.define("web", FIRST)
    agent.start()
    before = agent.wait_state("web", "running")
    wait_generation(agent, 1)
    agent.kill()
    agent.define("web", BROKEN)
    agent.start()
    agent.wait_row("web", lambda row: row["problems"] and row["edit"]["generation"] == 1, "its problem")
    assert agent.row("web")["pid"] == before["pid"]
    os.kill(before["pid"], 9)
    agent.wait_row("web", lambda row: row["state"] == "running" and row["pid"] != before["pid"], "another instance")
    assert agent.log("web").splitlines() == ["first", "first"]


def test_without_an_agent_a_roll_back_is_for_the_next(agent: AgentProcess) -> None:
    agent.define("web", FIRST)
    agent.start()
    before = agent.wait_state("web", "running")
    wait_generation(agent, 1)
    agent.define("web", SECOND)
    agent.wait_replaced("web", before)
    wait_generation(agent, 2)
    assert agent.end() == 0
    assert call(agent, "rollback").startswith("generation 1 is pinned: ")
    agent.start()
    row = agent.wait_state("web", "running")
    assert row["edit"]["generation"] == 1
    assert agent.log("web").splitlines()[-1] == "first"


def test_what_was_edited_last_is_kept_by_an_agent_that_ends_at_once(agent: AgentProcess) -> None:
    agent.define("web", FIRST)
    agent.start()
    agent.wait_state("web", "running")
    assert agent.end() == 0
    assert live_of(agent) == [(1, True, False)]
