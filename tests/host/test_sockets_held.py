"""Listening sockets that the agent holds: what edits, crashes and others do to them, and what they cost at rest."""

import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.system.procstat import read_start_time
from tests.host.agent_process import AgentProcess, definition
from tests.host.test_sockets import ask, asking, free_port, server

pytestmark = pytest.mark.real

EXAMPLE = (Path(__file__).parents[2] / "examples" / "sockets.toml").read_text()
QUIET = 2.0
"""Seconds in which nothing is to happen."""


def find_holder(agent: AgentProcess) -> int | None:
    """The process that holds sockets: a child of the agent, or of process 1 where that was killed."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"holder.py" in (folder / "cmdline").read_bytes() and str(agent.layout.holder) in list_paths(folder):
                return int(folder.name)
        except OSError:
            continue
    return None


def list_paths(folder: Path) -> list[str]:
    """The paths of the sockets of unix(7) that a process has."""
    inodes = {os.readlink(each).removeprefix("socket:[").removesuffix("]") for each in (folder / "fd").iterdir()}
    table = (line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:])
    return [fields[7] for fields in table if len(fields) > 7 and fields[6] in inodes]


def count_sockets(pid: int | None) -> int:
    return sum(os.readlink(each).startswith("socket:") for each in Path(f"/proc/{pid}/fd").iterdir())


def test_the_example_answers_everybody_while_it_is_edited(agent: AgentProcess) -> None:
    port = free_port()
    text = EXAMPLE.replace("127.0.0.1:8088", f"127.0.0.1:{port}")
    agent.define("site", text)
    row = agent.wait_row("site", lambda row: row["ready"], "to be ready")

    def get() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/GPL-3", timeout=30) as answer:
            return "whole" if b"GNU GENERAL PUBLIC LICENSE" in answer.read() else "cut"

    answers = Counter[str]()
    for number in range(3):
        agent.define("site", text.replace("poll_interval=0.1", f"poll_interval=0.1{number}"))
        before = row
        while (row := agent.row("site"))["pid"] == before["pid"] or not row["ready"]:
            answers[get()] += 1
        answers[get()] += 1
    assert set(answers) == {"whole"}


def test_an_address_that_overlaps_refuses_nobody(agent: AgentProcess) -> None:
    port = free_port()
    agent.define("wide", server(f"127.0.0.1:{port}"))
    row = agent.wait_state("wide", "running")
    with asking(port) as answers:
        agent.define("wide", server(str(port), "2"))
        agent.wait_replaced("wide", row)
        with socket.create_connection(("127.0.0.2", port), timeout=30) as elsewhere:
            assert elsewhere.recv(10) == b"2"
        agent.wait_until(lambda: answers["2"], "the address before to be closed")
    # What waits at the address before when that is closed is cut off: nobody will accept it any more.
    assert {*answers} <= {"1", "2", "", "ConnectionResetError"}, answers
    assert answers[""] + answers["ConnectionResetError"] <= 5, answers


def test_two_with_one_address_are_a_problem_of_both(agent: AgentProcess) -> None:
    port = free_port()
    agent.define("first", server(f"127.0.0.1:{port}"))
    row = agent.wait_state("first", "running")
    agent.define("second", server(str(port), "2"))
    told = agent.wait_state("second", "invalid")
    assert told["problems"][0]["message"] == f'port {port}/tcp of the host is also taken by "first"'
    assert agent.row("first")["pid"] == row["pid"]
    assert ask(port) == "1"
    agent.remove("first")
    agent.wait_state("second", "running")
    assert ask(port) == "2"


def test_the_path_of_somebody_who_listens_is_not_taken(agent: AgentProcess) -> None:
    path = agent.base / "other.sock"
    with closing(socket.socket(socket.AF_UNIX)) as other:
        other.bind(str(path))
        other.listen()
        agent.define("web", server(str(path)))
        row = agent.wait_row("web", lambda row: "somebody else listens there" in row["message"], "to be told")
        assert row["pid"] is None
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    agent.wait_state("web", "running")
    assert ask(str(path)) == "1"


def test_a_further_command_is_not_told_of_them(agent: AgentProcess) -> None:
    agent.define("web", server(f"127.0.0.1:{free_port()}"))
    agent.wait_state("web", "running")
    told = agent.call("exec", "web", "--", "/bin/sh", "-c", "env; ls /proc/self/fd")
    assert "MARK=1" in told.stdout
    assert "LISTEN" not in told.stdout
    assert told.stdout.split()[-4:] == ["0", "1", "2", "3"], "the last is the folder that is read"


def test_what_an_application_has_done_to_its_socket_is_undone_for_the_next(agent: AgentProcess) -> None:
    port = free_port()
    script = "import socket, time; socket.socket(fileno=3).shutdown(socket.SHUT_RDWR); time.sleep(1000)"
    sockets = {"web": {"stream": f"127.0.0.1:{port}"}}
    agent.define("shuts", definition(["/usr/bin/python3", "-S", "-c", script], sockets=sockets, exclusive=True))
    row = agent.wait_state("shuts", "running")
    agent.wait_until(lambda: is_closed(port), "it to be shut down")
    agent.define("shuts", server(port, sockets=sockets, exclusive=True))
    agent.wait_replaced("shuts", row)
    assert ask(port) == "1"


def is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_killed_holder_is_followed_by_another_that_has_all(own_agent: AgentProcess) -> None:
    port, waits = free_port(), free_port()
    own_agent.start()
    own_agent.define("web", server(f"127.0.0.1:{port}"))
    own_agent.define("waits", server(f"127.0.0.1:{waits}", restart={"delay": "1h", "max_delay": "1h"}))
    own_agent.wait_state("web", "running")
    os.kill(own_agent.wait_state("waits", "running")["pid"], signal.SIGKILL)
    own_agent.wait_state("waits", "backoff")
    first = find_holder(own_agent)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    own_agent.wait_until(lambda: find_holder(own_agent) not in (None, first), "another")
    assert "another takes its place" in own_agent.output()
    own_agent.wait_until(lambda: count_sockets(find_holder(own_agent)) == 6, "it to have all four, and its own two")
    own_agent.kill()
    with socket.create_connection(("127.0.0.1", waits), timeout=30) as patient:
        own_agent.start()
        assert own_agent.call("start", "waits").returncode == 0
        assert patient.recv(10) == b"1"
    assert ask(port) == "1"
    holder = find_holder(own_agent)
    assert own_agent.end() == 0
    assert holder is not None
    own_agent.wait_until(lambda: read_start_time(holder) is None, "the holder to end")


def test_they_cost_nothing_at_rest(agent: AgentProcess) -> None:
    for number in range(3):
        agent.define(f"web{number}", server(f"127.0.0.1:{free_port()}"))
    for number in range(3):
        agent.wait_state(f"web{number}", "running")
    holder = find_holder(agent)
    assert holder is not None

    def switches(pid: int) -> int:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    def rests() -> bool:
        before = switches(agent.pid)
        time.sleep(QUIET)
        return switches(agent.pid) == before

    agent.wait_until(rests, "the agent to rest")
    before = switches(holder)
    time.sleep(QUIET)
    assert switches(holder) == before
