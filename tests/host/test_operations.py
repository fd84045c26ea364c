"""What an operator asks of a running agent, by the command line and by curl, and what becomes of it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.host.agent_process import AgentProcess, definition, find_program
from tests.host.host_view import find_cgroups

pytestmark = pytest.mark.real

COUNTS_HUPS = "trap 'echo hup' HUP; trap 'exit 0' TERM; echo up; while :; do sleep 100000 & wait; done"


def ask(agent: AgentProcess, path: str, *options: str) -> str:
    """What curl prints."""
    command = [find_program("curl"), "-sS", "--unix-socket", agent.layout.control, *options, f"http://localhost{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_what_is_stopped_stays_stopped_until_it_is_started(agent: AgentProcess) -> None:
    first, other = agent.start_container("first"), agent.start_container("other")
    done = agent.call("stop", "first")
    assert (done.returncode, done.stdout, done.stderr) == (0, "first: stopped\n", "")
    assert not os.path.exists(f"/proc/{first['pid']}")
    agent.let_it_look()
    assert agent.row("first")["state"] == "stopped"
    done = agent.call("start", "first")
    assert (done.returncode, done.stdout) == (0, "first: running\n")
    assert agent.row("first")["instance"] != first["instance"]
    assert agent.row("other") == other


def test_a_restart_makes_a_new_instance(agent: AgentProcess) -> None:
    before = agent.start_container("again")
    assert agent.call("restart", "again").returncode == 0
    after = agent.row("again")
    assert after["state"] == "running"
    assert after["instance"] != before["instance"]
    assert after["restarts"] == 0, "it was asked for"


def test_a_start_that_fails_is_told(agent: AgentProcess) -> None:
    agent.define("broken", definition(["/nowhere/program"], restart={"on_failure": "stop"}))
    agent.wait_state("broken", "failed")
    done = agent.call("start", "broken")
    assert done.returncode == 1
    assert done.stdout.startswith("broken: failed: ")


def test_a_definition_with_problems_is_not_started(agent: AgentProcess) -> None:
    agent.define("wrong", 'args = "x"\nrootfs = "host"\n')
    agent.wait_state("wrong", "invalid")
    done = agent.call("start", "wrong")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{agent.config}/wrong.toml:1:8: args:" in done.stderr
    agent.remove("wrong")


def test_a_signal_reaches_the_first_process(agent: AgentProcess) -> None:
    before = agent.start_container("listens", definition(COUNTS_HUPS))
    agent.wait_log("listens", "up")
    assert agent.call("kill", "listens", "HUP").returncode == 0
    agent.wait_log("listens", "hup")
    assert agent.row("listens")["instance"] == before["instance"]


def test_every_route_by_curl(agent: AgentProcess) -> None:
    agent.start_container("asked", definition("echo hello; trap 'exit 0' TERM; sleep 100000 & wait"))
    agent.wait_log("asked", "hello")
    assert agent.layout.control in ask(agent, "/")
    assert json.loads(ask(agent, "/openapi.json"))["openapi"] == "3.1.0"
    assert json.loads(ask(agent, "/v1/agent"))["pid"] == agent.pid
    assert agent.row("asked") in json.loads(ask(agent, "/v1/containers"))
    assert json.loads(ask(agent, "/v1/containers/asked")) == agent.row("asked")
    assert "args" in json.loads(ask(agent, "/v1/containers/asked/definition"))
    assert json.loads(ask(agent, "/v1/containers/asked/spec"))
    assert json.loads(ask(agent, "/v1/containers/asked/config"))["process"]["args"][0] == "/bin/sh"
    assert {"name": "asked", "verb": "nothing"}.items() <= _of(ask(agent, "/v1/plan"), "asked").items()
    assert ask(agent, "/v1/containers/asked/logs?lines=1") == "hello\n"
    kinds = [json.loads(line)["kind"] for line in ask(agent, "/v1/events?name=asked&lines=all").splitlines()]
    assert "started" in kinds
    names = json.dumps({"names": ["asked"]})
    for operation, state in (("stop", "stopped"), ("start", "running"), ("restart", "running")):
        line = json.loads(ask(agent, f"/v1/{operation}", "--json", names))
        assert (line["name"], line["ok"], line["state"]["state"]) == ("asked", True, state)
    assert ask(agent, "/v1/containers/asked/kill", "--json", '{"signal": "CONT"}', "-w", "%{http_code}") == "204"
    assert ask(agent, "/v1/containers/aksed", "-w", "%{http_code}").endswith("404")


def _of(text: str, name: str) -> dict[str, object]:
    found: dict[str, object] = next(item for item in json.loads(text) if item["name"] == name)
    return found


def test_shutdown_ends_the_containers_and_then_the_agent(own_agent: AgentProcess) -> None:
    for name in ("one", "two"):
        own_agent.define(name, definition())
    own_agent.start()
    done = own_agent.call("shutdown")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert own_agent.wait_end() == 0
    assert not find_cgroups(own_agent.cgroup_root)
    assert not Path(own_agent.layout.control).exists()
    done = own_agent.call("stop", "one")
    assert done.returncode == 1
    assert done.stderr == (
        f"orchestrator: no agent listens at {own_agent.layout.control}: start it with `orchestrator run`\n"
    )


def test_a_stop_outlives_the_agent(own_agent: AgentProcess) -> None:
    own_agent.start().start_container("held")
    own_agent.start_container("free")
    assert own_agent.call("stop", "held").returncode == 0
    own_agent.kill()
    own_agent.start()
    own_agent.wait_state("free", "running")
    assert own_agent.row("held")["state"] == "stopped"
    assert own_agent.call("start", "--all").returncode == 0
    assert own_agent.row("held")["state"] == "running"
