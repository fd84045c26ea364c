"""The process that holds listening sockets, by itself: what clients may do to it, and what it is."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.system import holder, holding
from orchestrator.system.spawn import keep_descriptors_private
from tests.system.helpers_holder import Place, take

LARGEST = 8 * 1024
"""KiB of memory that are the holder's alone: half of a bare interpreter's on a machine of today."""


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Place]:
    """Where only this is tried: by a path that every client can use."""
    made = Place(f"{tmp_path}/holder.sock")
    yield made
    made.end()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_a_client_that_hangs_keeps_nobody_waiting(short: Place, listener: socket.socket) -> None:
    agent = short.agent()
    agent.keep("listen/a", listener.fileno())
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(short.path)
        began = time.monotonic()
        agent.keep("listen/b", listener.fileno())
        assert set(take(short.agent())) == {"listen/a", "listen/b"}
        assert time.monotonic() - began < holding.PATIENCE


def test_a_client_that_reads_nothing_is_given_up(short: Place, listener: socket.socket) -> None:
    agent = short.agent()
    for number in range(400):
        agent.keep(f"listen/{number:0200}", listener.fileno())
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as lazy:
        lazy.connect(short.path)
        lazy.send(b"list")
        # It waits for room by its own patience, and then goes on.
        short.until(lambda: short.ask(b"list")[0] != b"")
    assert len(take(short.agent())) == 400


@pytest.mark.parametrize(
    "request_", [b"", b"\xff\xfe", b"keep", b"keep ", b"keep listen/b", b"what is this", b"x" * 9000]
)
def test_what_is_no_request_changes_nothing(short: Place, listener: socket.socket, request_: bytes) -> None:
    agent = short.agent()
    agent.keep("listen/a", listener.fileno())
    assert short.ask(request_) == [b"no" if request_ else b""]
    assert list(take(short.agent())) == ["listen/a"]
    assert len(short.pids()) == 1


def test_a_descriptor_that_nobody_asked_for_is_closed(short: Place, listener: socket.socket) -> None:
    agent = short.agent()
    agent.keep("listen/a", listener.fileno())
    folder = f"/proc/{short.pid()}/fd"
    reader, writer = os.pipe()
    pipe = os.readlink(f"/proc/self/fd/{writer}")
    with os.fdopen(reader, "rb"), os.fdopen(writer, "wb"):
        answers = short.ask(b"give_up never", b"no verb", b"list", descriptors=(writer, writer))
        assert answers[:2] == [b"ok", b"no"]
        assert short.ask(b"keep listen/b", descriptors=(listener.fileno(), writer)) == [b"ok"]
        assert pipe not in [os.readlink(f"{folder}/{number}") for number in os.listdir(folder)]
    assert set(take(short.agent())) == {"listen/a", "listen/b"}


def test_one_that_has_heard_nothing_yet_waits_for_its_first_client(short: Place) -> None:
    """An agent that is killed while it begins one leaves none."""
    agent = short.agent()
    agent._spawn()
    time.sleep(0.3)
    assert len(short.pids()) == 1
    assert short.ask(b"give_up never") == [b"ok"]
    short.until(lambda: short.pids() == [])


def test_it_has_nothing_of_the_agents_but_what_it_was_given(
    short: Place, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    keep_descriptors_private()  # as the agent does, for what it was started with
    agent = short.agent()
    agent.keep("listen/a", listener.fileno())
    pid = short.pid()
    folder = f"/proc/{pid}/fd"
    links = {int(number): os.readlink(f"{folder}/{number}") for number in os.listdir(folder)}
    assert {links[number] for number in range(3)} == {"/dev/null"}
    assert all(link.startswith("socket:") for number, link in links.items() if number > 2)
    assert len(links) == 6, "its streams, where it is asked, whoever asks, and what is held"
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.getsid(pid) == pid
    assert os.stat(short.path).st_mode & 0o777 == 0o600
    assert "NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_a_terminal_sends_does_not_end_it(short: Place, listener: socket.socket, number: signal.Signals) -> None:
    short.agent().keep("listen/a", listener.fileno())
    os.kill(short.pid(), number)
    assert list(take(short.agent())) == ["listen/a"]


def test_it_is_small_and_does_nothing_at_rest(short: Place, listener: socket.socket) -> None:
    agent = short.agent()
    for number in range(100):
        agent.keep(f"listen/{number}", listener.fileno())
    pid = short.pid()
    private = sum(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith(("Private_Clean", "Private_Dirty"))
    )
    print(f"the holder has {private} KiB of its own")
    assert private < LARGEST

    def switches() -> int:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)

    before = switches()
    time.sleep(0.5)
    assert switches() == before


def test_it_is_run_without_the_agents_modules() -> None:
    """What it imports is the standard library's, and little of that."""
    script = (
        "import runpy, sys; runpy.run_path(sys.argv[1], run_name='holder'); "
        "print(*(name for name in sys.modules if name.split('.')[0] in ('orchestrator', 'trio', 'attr', 'subprocess')))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(holder.__file__)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "\n"


def test_requests_are_quick(short: Place, listener: socket.socket) -> None:
    """They are made in the event loop. The bound is far from what they take, for a machine that is busy."""
    agent = short.agent()
    agent.keep("listen/a", listener.fileno())
    took = []
    for _ in range(50):
        began = time.perf_counter()
        agent.keep("listen/a", listener.fileno())
        took.append(time.perf_counter() - began)
    print(f"a request takes {sorted(took)[25] * 1000:.2f} ms")
    assert sorted(took)[25] < 0.02
    assert not select.select([listener], [], [], 0)[0]
