"""Listening sockets that the agent holds: no connection is refused over edits, restarts, crashes and agents."""

import os
import signal
import socket
import stat
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.host.agent_process import AgentProcess, definition

pytestmark = pytest.mark.real

SERVER = """\
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
names = os.environ["LISTEN_FDNAMES"].split(":")
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == str(len(names))
listener = socket.socket(fileno=3 + names.index("web"))
while True:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(os.environ["MARK"].encode())
"""


def server(address: str | int, mark: str = "1", **fields: object) -> str:
    sockets = {"web": {"stream": str(address)}, "also": {"datagram": "127.0.0.1:" + str(free_port(socket.SOCK_DGRAM))}}
    args = ["/usr/bin/python3", "-S", "-c", SERVER]
    return definition(args, env={"MARK": mark}, **{"sockets": sockets, "restart": {"delay": "200ms"}, **fields})


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(address: int | str, patience: float = 30.0) -> str:
    """One connection and what is answered."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(patience)
        connection.connect(address if isinstance(address, str) else ("127.0.0.1", address))
        return connection.recv(100).decode()


@contextmanager
def asking(port: int) -> Iterator[Counter[str]]:
    """Ask again and again meanwhile; how often there was which answer, or error."""
    answers, done = Counter[str](), threading.Event()

    def work() -> None:
        while not done.is_set():
            try:
                answers[ask(port)] += 1
            except OSError as error:
                answers[type(error).__name__] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield answers
        before = sum(answers.values())
        deadline = time.monotonic() + 30
        while sum(answers.values()) < before + 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        done.set()
        thread.join()


def test_no_connection_is_refused_over_edits_restarts_and_crashes(agent: AgentProcess) -> None:
    port = free_port()
    also = {"web": {"stream": f"127.0.0.1:{port}"}}
    agent.define("web", server(port, "1", sockets=also))
    row = agent.wait_state("web", "running")
    with asking(port) as answers:
        for mark in "234":
            agent.define("web", server(port, mark, sockets=also))
            row = agent.wait_replaced("web", row)
        assert agent.call("restart", "web").returncode == 0
        row = agent.wait_replaced("web", row)
        os.kill(row["pid"], signal.SIGKILL)
        row = agent.wait_replaced("web", row)
    assert {*answers} <= {"1", "2", "3", "4", ""}, answers
    assert answers["4"] >= 3
    # Only what is killed cuts a connection off: the one that it has accepted.
    assert answers[""] <= 5, answers


def test_nobody_waits_for_what_is_stopped_or_gone(agent: AgentProcess) -> None:
    port = free_port()
    agent.define("held", server(f"127.0.0.1:{port}"))
    agent.wait_state("held", "running")
    assert ask(port) == "1"
    assert agent.call("stop", "held").returncode == 0
    agent.wait_state("held", "stopped")
    with pytest.raises(ConnectionRefusedError):
        ask(port)
    assert agent.call("start", "held").returncode == 0
    agent.wait_state("held", "running")
    assert ask(port) == "1"
    agent.remove("held")
    agent.wait_until(lambda: "held" not in agent.rows(), "it to be gone")
    with pytest.raises(ConnectionRefusedError):
        ask(port)


def test_another_address_is_open_before_the_one_before_is_closed(agent: AgentProcess) -> None:
    first, second = free_port(), free_port()
    agent.define("moves", server(f"127.0.0.1:{first}"))
    row = agent.wait_state("moves", "running")
    agent.define("moves", server(f"127.0.0.1:{second}"))
    agent.wait_replaced("moves", row)
    assert ask(second) == "1"
    agent.wait_until(lambda: is_refused(first), "the first to be closed")


def is_refused(port: int) -> bool:
    try:
        ask(port, 1.0)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def test_an_address_that_is_taken_costs_nothing_that_runs(agent: AgentProcess) -> None:
    port = free_port()
    agent.define("stays", server(f"127.0.0.1:{port}"))
    row = agent.wait_state("stays", "running")
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = other.getsockname()[1]
        agent.define("stays", server(f"127.0.0.1:{taken}", "2"))
        told = agent.wait_row("stays", lambda row: "somebody else listens there" in row["message"], "to be told")
        assert (told["state"], told["pid"]) == ("running", row["pid"])
        assert ask(port) == "1"


def test_a_path_belongs_to_whom_it_is_to(agent: AgentProcess) -> None:
    path = agent.base / "sockets" / "web.sock"
    web = {"stream": str(path), "mode": "0640", "owner": "1234:5678"}
    agent.define("path", server("", sockets={"web": web}))
    agent.wait_state("path", "running")
    found = path.stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 5678, 0o640)
    assert ask(str(path)) == "1"
    agent.remove("path")
    agent.wait_until(lambda: not path.exists(), "the path to be gone")


def test_a_killed_agent_loses_none_not_even_of_what_waits_to_be_started_again(own_agent: AgentProcess) -> None:
    port, crashing = free_port(), free_port()
    own_agent.start()
    own_agent.define("web", server(f"127.0.0.1:{port}"))
    own_agent.define("waits", server(f"127.0.0.1:{crashing}", restart={"delay": "1h", "max_delay": "1h"}))
    row = own_agent.wait_state("web", "running")
    os.kill(own_agent.wait_state("waits", "running")["pid"], signal.SIGKILL)
    own_agent.wait_state("waits", "backoff")
    with asking(port) as answers:
        own_agent.kill()
        with socket.create_connection(("127.0.0.1", crashing), timeout=30) as patient:
            own_agent.start()
            assert own_agent.row("web")["pid"] == row["pid"]
            assert own_agent.call("start", "waits").returncode == 0
            assert patient.recv(100) == b"1"
        assert own_agent.call("restart", "web").returncode == 0
        own_agent.wait_replaced("web", row)
    assert {*answers} <= {"1", ""}, answers
    assert own_agent.end() == 0
    assert not Path(own_agent.layout.holder).exists()


DRAINING = """\
import os, signal, socket, sys, threading, time
listener = socket.socket(fileno=3)
busy = []
def answer(connection):
    with connection:
        if connection.recv(10) == b"slow":
            time.sleep(2)
        connection.sendall(os.environ["MARK"].encode())
# It only closes: what was accepted a moment ago is answered, too.
signal.signal(signal.SIGTERM, lambda *_: listener.close())
if os.environ["MARK"] == "broken":
    sys.exit("a mistake in its configuration")
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    try:
        connection, _ = listener.accept()
    except OSError:
        break
    busy.append(threading.Thread(target=answer, args=(connection,)))
    busy[-1].start()
for each in busy:
    each.join()
"""


def draining(port: int, mark: str) -> str:
    args = ["/usr/bin/python3", "-S", "-c", DRAINING]
    sockets = {"web": {"stream": f"127.0.0.1:{port}"}}
    return definition(args, env={"MARK": mark}, sockets=sockets, ready="notify", start_timeout="60s")


def ask_quickly(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"quick")
        return connection.recv(10).decode()


def test_the_old_one_finishes_what_it_has_begun_and_a_broken_one_never_takes_over(agent: AgentProcess) -> None:
    port = free_port()
    agent.define("drains", draining(port, "one"))
    row = agent.wait_row("drains", lambda row: row["ready"], "to be ready")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as slow:
        slow.sendall(b"slow")
        time.sleep(0.2)
        agent.define("drains", draining(port, "two"))
        row = agent.wait_replaced("drains", row)
        assert row["ready"]
        # The old one accepts, too, until it has heard that it is to end.
        agent.wait_until(lambda: ask_quickly(port) == "two", "the new one to answer")
        assert slow.recv(10) == b"one"
    agent.define("drains", draining(port, "broken"))
    told = agent.wait_row("drains", lambda row: row["message"], "to be told")
    assert "exited with code 1" in told["message"]
    assert (told["state"], told["ready"], told["pid"]) == ("running", True, row["pid"])
    assert {ask_quickly(port) for _ in range(5)} == {"two"}
