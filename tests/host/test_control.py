"""The control socket of a real agent, by curl: every route answers as its page says, what is followed goes on, a stop
outlives the agent, and of a client that is gone nothing is left."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import IO, Any

import jsonschema
import pytest
from attrs import frozen

from tests.host.agent_process import PATIENCE, AgentProcess, definition, find_program

pytestmark = pytest.mark.real

TALKS = "echo hello; trap 'echo hup' HUP; trap 'exit 0' TERM; while :; do sleep 100000 & wait; done"

ROUTES = {
    "GET /": "",
    "GET /openapi.json": "",
    "GET /v1/agent": "",
    "GET /v1/containers": "",
    "GET /v1/containers/{name}": "",
    "GET /v1/containers/{name}/definition": "",
    "GET /v1/containers/{name}/spec": "",
    "GET /v1/containers/{name}/config": "",
    "GET /v1/containers/{name}/origins": "",
    "GET /v1/containers/{name}/logs": "",
    "GET /v1/plan": "",
    "GET /v1/events": "",
    "GET /v1/generations": "",
    "POST /v1/rollback": '{"generation": NEWEST}',
    "POST /v1/resume": "",
    "POST /v1/containers/{name}/kill": '{"signal": "HUP"}',
    "POST /v1/stop": '{"names": ["web"]}',
    "POST /v1/start": '{"all": true}',
    "POST /v1/restart": '{"names": ["web"], "wait": false}',
    "POST /v1/shutdown": "",
}
"""Every route, and the body that it is given; in an order in which each has something to answer, the last ends it."""


@frozen
class Answer:
    """What curl tells of an answer."""

    status: int
    media_type: str
    text: str


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """An agent with a container ``web`` that has written something."""
    with AgentProcess(tmp_path_factory.mktemp("host"), "runc") as agent:
        agent.start().start_container("web", definition(TALKS))
        agent.wait_log("web", "hello")
        yield agent


def curl(agent: AgentProcess, path: str, *options: str) -> list[str]:
    """The command line that asks for a path."""
    return [find_program("curl"), "-sSN", "--unix-socket", agent.layout.control, *options, f"http://localhost{path}"]


def ask(agent: AgentProcess, method: str, path: str, body: str = "") -> Answer:
    options = ["-X", method, "-w", "\n%{http_code} %{content_type}", *(["--json", body] if body else [])]
    done = subprocess.run(curl(agent, path, *options), capture_output=True, text=True, check=True, timeout=PATIENCE)
    text, _, last = done.stdout.rpartition("\n")
    status, _, media_type = last.partition(" ")
    return Answer(int(status), media_type, text)


def operate(agent: AgentProcess, operation: str, *names: str) -> list[dict[str, Any]]:
    """The outcomes of an operation on these names."""
    answer = ask(agent, "POST", f"/v1/{operation}", json.dumps({"names": names}))
    assert answer.status == 200, answer
    return [json.loads(line) for line in answer.text.splitlines()]


@contextmanager
def following(agent: AgentProcess, path: str) -> Iterator[IO[str]]:
    """What curl writes as it comes; afterwards curl is ended, and so is its connection."""
    with subprocess.Popen(curl(agent, path), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()


# What goes on


def test_events_are_followed(agent: AgentProcess) -> None:
    # One that takes its time: a stop that is over before the agent comes to tell of it is told as an exit alone.
    lingers = "trap 'sleep 0.5; exit 0' TERM; while :; do sleep 0.01; done"
    with following(agent, "/v1/events?follow=true&name=followed") as lines:
        before = agent.start_container("followed", definition(lingers))
        record = json.loads(lines.readline())
        assert (record["name"], record["kind"], record["instance"]) == ("followed", "started", before["instance"])
        agent.remove("followed")
        kinds = [json.loads(lines.readline())["kind"] for _ in range(2)]
        assert kinds == ["stopping", "exited"]


def test_a_log_is_followed_into_the_next_instance(agent: AgentProcess) -> None:
    before = agent.start_container("talks", definition(TALKS))
    agent.wait_log("talks", "hello")
    with following(agent, "/v1/containers/talks/logs?follow=true") as lines:
        assert lines.readline() == "hello\n"
        ask(agent, "POST", "/v1/containers/talks/kill", '{"signal": "SIGHUP"}')
        assert lines.readline() == "hup\n"
        (outcome,) = operate(agent, "restart", "talks")
        assert outcome["state"]["instance"] != before["instance"]
        assert lines.readline() == "hello\n"


def test_of_clients_that_are_gone_nothing_is_left(agent: AgentProcess) -> None:
    """Each in another way: without a word, in the midst of a request, of an answer, of what is followed."""
    requests = (
        b"",
        b"POST /v1/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{",
        b"GET /v1/containers HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/events?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/containers/web/logs?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    ask(agent, "GET", "/")  # what serves is loaded, and has its own descriptors
    before = count_descriptors(agent)
    for request in requests * 10:
        with closing(socket.socket(socket.AF_UNIX)) as client:
            client.connect(agent.layout.control)
            client.sendall(request)
            if request.startswith(b"GET"):
                assert client.recv(12) == b"HTTP/1.1 200"
    ask(agent, "GET", "/")  # by now all have been accepted
    agent.wait_until(lambda: count_descriptors(agent) <= before, f"its descriptors to be {before} again")
    assert "error" not in agent.output()


def count_descriptors(agent: AgentProcess) -> int:
    return len(os.listdir(f"/proc/{agent.pid}/fd"))


# What an operator has stopped


def test_a_stop_outlives_the_agent_until_a_start_or_the_removal_of_the_file(agent: AgentProcess) -> None:
    for name in ("kept", "dropped"):
        agent.start_container(name)
    pids = [agent.row(name)["pid"] for name in ("kept", "dropped")]
    outcomes = operate(agent, "stop", "kept", "dropped")
    assert {(each["ok"], each["state"]["state"], each["state"]["held"]) for each in outcomes} == {
        (True, "stopped", True)
    }
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    assert agent.end() == 0
    agent.start()
    for name in ("kept", "dropped"):
        row = json.loads(ask(agent, "GET", f"/v1/containers/{name}").text)
        assert (row["state"], row["held"], row["pid"]) == ("stopped", True, None)
    assert agent.row("web")["state"] == "running"
    (outcome,) = operate(agent, "start", "kept")
    assert (outcome["ok"], outcome["state"]["state"], outcome["state"]["held"]) == (True, "running", False)
    agent.remove("dropped")
    assert not agent.start_container("dropped")["held"]


def test_what_is_not_done_is_a_problem_of_rfc_9457(agent: AgentProcess) -> None:
    answer = ask(agent, "POST", "/v1/stop", '{"names": ["web", "wbe"]}')
    problem = json.loads(answer.text)
    assert (answer.status, answer.media_type) == (404, "application/problem+json")
    assert (problem["status"], problem["names"]) == (404, ["wbe"])
    assert problem["detail"] == 'there is no container "wbe" (did you mean "web"?)'
    assert agent.row("web")["state"] == "running"


# Every route; the last of all, since it ends the agent


def test_every_route_answers_as_its_page_says(agent: AgentProcess) -> None:
    page = json.loads(ask(agent, "GET", "/openapi.json").text)
    routes = {f"{method.upper()} {path}" for path, methods in page["paths"].items() for method in methods}
    assert ROUTES.keys() == routes
    before = agent.row("web")
    agent.wait_until(lambda: json.loads(ask(agent, "GET", "/v1/generations").text), "a generation")
    newest = json.loads(ask(agent, "GET", "/v1/generations").text)[-1]["number"]
    for route, body in ROUTES.items():
        method, path = route.split()
        answer = ask(agent, method, path.format(name="web"), body.replace("NEWEST", str(newest)))
        described = page["paths"][path][method.lower()]["responses"]
        assert str(answer.status) in described.keys() - {"default"}, (route, answer)
        assert answer.status < 300, (route, answer)
        content = described[str(answer.status)].get("content", {})
        assert list(content) == ([answer.media_type] if answer.text else []), (route, answer)
        for media_type, described_content in content.items():
            for value in values_of(media_type, answer.text):
                jsonschema.validate(value, {**described_content["schema"], "components": page["components"]})
    assert agent.wait_end() == 0
    assert "hup" in agent.log("web")
    assert not os.path.exists(f"/proc/{before['pid']}")
    assert not os.path.exists(agent.layout.control)


def values_of(media_type: str, text: str) -> list[Any]:
    """The values of an answer: one, or one a line."""
    if media_type == "application/x-ndjson":
        return [json.loads(line) for line in text.splitlines()]
    return [json.loads(text) if media_type == "application/json" else text]
