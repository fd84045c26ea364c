"""The process that holds listening sockets while there is no agent: a real one."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio

from orchestrator.system import holding
from orchestrator.system.holding import HolderFailed
from tests.faults.helpers_descriptors import no_descriptors_left
from tests.system.helpers_holder import Place, take
from tests.system.helpers_listen import count_descriptors, inode_of


@pytest.fixture(params=["short", "long"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    folder = tmp_path / ("x" * 120 if request.param == "long" else "x")
    folder.mkdir()
    made = Place(f"{folder}/holder.sock")
    yield made
    made.end()


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


def test_a_next_agent_has_the_same_sockets(place: Place, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    place.agent().keep("listen/web", listener.fileno())
    inode = inode_of(listener.fileno())
    listener.close()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as waiting:
        taken = place.agent().take_all("listen/")
        assert {name: inode_of(held) for name, held in taken.items()} == {"listen/web": inode}
        with socket.socket(fileno=taken["listen/web"]) as again:
            connection, _ = again.accept()
            with connection:
                connection.sendall(b"hello")
        assert waiting.recv(10) == b"hello"
    assert take(place.agent()) == {"listen/web": inode}, "they are kept on"


def test_it_is_there_only_while_there_is_something_to_hold(place: Place, listener: socket.socket) -> None:
    agent = place.agent()
    assert agent.take_all("listen/") == {}
    assert place.pids() == []
    agent.keep("listen/a", listener.fileno())
    agent.keep("listen/b", listener.fileno())
    first = place.pid()
    agent.give_up("listen/a")
    assert place.pid() == first
    agent.give_up("listen/b")
    place.until(lambda: place.pids() == [])
    assert not os.path.exists(place.path)
    agent.keep("listen/a", listener.fileno())
    assert place.pid() != first
    assert place.said == []


def test_what_is_given_up_is_closed(short: Place, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    agent = short.agent()
    with socket.create_server(("127.0.0.1", 0)) as stays:
        agent.keep("listen/stays", stays.fileno())
        agent.keep("listen/goes", listener.fileno())
        listener.close()
        agent.give_up("listen/goes")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=10)


def test_a_name_that_is_kept_again_is_the_last_ones(short: Place, listener: socket.socket) -> None:
    agent = short.agent()
    with socket.create_server(("127.0.0.1", 0)) as first:
        agent.keep("listen/web", first.fileno())
        port = first.getsockname()[1]
    agent.keep("listen/web", listener.fileno())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)
    assert take(short.agent()) == {"listen/web": inode_of(listener.fileno())}


def test_what_has_another_name_is_not_held_on(short: Place, listener: socket.socket) -> None:
    agent = short.agent()
    agent.keep("odd", listener.fileno())
    agent.keep("listen/web", listener.fileno())
    assert list(take(short.agent())) == ["listen/web"]
    assert list(take(short.agent())) == ["listen/web"]
    short.agents[-1].give_up("listen/web")
    short.until(lambda: short.pids() == [])


def test_a_killed_one_is_followed_by_one_that_holds_all(short: Place, listener: socket.socket) -> None:
    agent = short.agent()
    agent.keep("listen/a", listener.fileno())
    first = short.pid()
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        agent.keep("listen/b", other.fileno())
        inodes = {"listen/a": inode_of(listener.fileno()), "listen/b": inode_of(other.fileno())}
    assert take(short.agent()) == inodes


async def test_a_killed_one_is_followed_at_once(short: Place, listener: socket.socket) -> None:
    agent = short.agent()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.run)
        agent.keep("listen/a", listener.fileno())
        first = short.pid()
        os.kill(first, signal.SIGKILL)
        await short.come_to(lambda: len(short.said) == 1 and first not in short.pids())
        second = short.pid()
        os.kill(second, signal.SIGKILL)
        await short.come_to(lambda: len(short.said) == 2 and second not in short.pids())
        assert len({first, second, short.pid()}) == 3
        nursery.cancel_scope.cancel()
    assert set(short.said) == {"the process that holds listening sockets has ended, another takes its place"}
    assert take(short.agent()) == {"listen/a": inode_of(listener.fileno())}


async def test_one_that_nothing_is_held_by_is_followed_by_none(short: Place, listener: socket.socket) -> None:
    agent = short.agent()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.run)
        for _ in range(2):
            agent.keep("listen/a", listener.fileno())
            await trio.testing.wait_all_tasks_blocked()
            agent.give_up("listen/a")
            await short.come_to(lambda: not short.pids())
        nursery.cancel_scope.cancel()
    assert short.said == []


async def test_where_none_can_be_begun_it_is_said_and_tried_again(
    short: Place, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "BEGIN_AGAIN_AFTER", 0.05)
    agent = short.agent()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.run)
        agent.keep("listen/a", listener.fileno())
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", "/nonexistent/python")
            os.kill(short.pid(), signal.SIGKILL)
            await short.come_to(lambda: len(short.said) >= 4)
        await short.come_to(lambda: len(short.pids()) == 1 and short.agents[0]._connection is not None)
        nursery.cancel_scope.cancel()
    assert "cannot be begun: [Errno 2] No such file or directory" in short.said[1]
    assert short.said[1].endswith("a next agent will not have the listening sockets of this one")
    assert take(short.agent()) == {"listen/a": inode_of(listener.fileno())}


@pytest.mark.parametrize("program", ["/nonexistent/python", "/bin/false"])
def test_what_cannot_be_begun_fails_and_keeps_nothing(
    short: Place, listener: socket.socket, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    agent = short.agent()
    before = count_descriptors()
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", program)
        with pytest.raises(HolderFailed, match="the process that holds listening sockets cannot be begun"):
            agent.keep("listen/a", listener.fileno())
    assert count_descriptors() == before
    with socket.create_server(("127.0.0.1", 0)) as other:
        agent.keep("listen/b", other.fileno())
    assert list(take(short.agent())) == ["listen/b"]


def test_one_that_hangs_gives_way_and_lets_go_when_it_goes_on(
    short: Place, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "PATIENCE", 0.2)
    agent = short.agent()
    agent.keep("listen/a", listener.fileno())
    hangs = short.pid()
    os.kill(hangs, signal.SIGSTOP)
    try:
        with socket.create_server(("127.0.0.1", 0)) as other:
            agent.keep("listen/b", other.fileno())
            inodes = {"listen/a": inode_of(listener.fileno()), "listen/b": inode_of(other.fileno())}
        assert len(short.pids()) == 2
    finally:
        os.kill(hangs, signal.SIGCONT)
    short.until(lambda: hangs not in short.pids())
    assert take(short.agent()) == inodes


def test_giving_up_at_one_that_hangs_leaves_the_rest_held(
    short: Place, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = short.agent()
    agent.keep("listen/a", listener.fileno())
    agent.keep("listen/b", listener.fileno())
    monkeypatch.setattr(holding, "PATIENCE", 0.2)
    hangs = short.pid()
    os.kill(hangs, signal.SIGSTOP)
    agent.give_up("listen/a")
    os.kill(hangs, signal.SIGCONT)
    short.until(lambda: hangs not in short.pids())
    assert list(take(short.agent())) == ["listen/b"]


def test_a_next_agent_that_gets_no_answer_says_so(
    short: Place, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    short.agent().keep("listen/a", listener.fileno())
    monkeypatch.setattr(holding, "PATIENCE", 0.2)
    os.kill(short.pid(), signal.SIGSTOP)
    assert take(short.agent()) == {}
    assert short.said == ["the process that holds listening sockets does not answer: timed out"]


def test_a_path_that_nobody_is_at_is_nothing_to_speak_of(short: Place, listener: socket.socket) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as dead:
        dead.bind(short.path)
    agent = short.agent()
    assert take(agent) == {}
    agent.keep("listen/a", listener.fileno())
    assert list(take(short.agent())) == ["listen/a"]
    assert short.said == []


def test_a_path_that_somebody_has_removed_is_there_again(short: Place, listener: socket.socket) -> None:
    agent = short.agent()
    agent.keep("listen/a", listener.fileno())
    first = short.pid()
    agent.begin_again()
    assert short.pid() == first, "nothing is missing"
    os.unlink(short.path)
    agent.begin_again()
    short.until(lambda: first not in short.pids())
    assert take(short.agent()) == {"listen/a": inode_of(listener.fileno())}


def test_with_no_descriptor_left_what_is_held_can_be_given_up(short: Place, listener: socket.socket) -> None:
    agent = short.agent()
    agent.keep("listen/a", listener.fileno())
    agent.keep("listen/b", listener.fileno())
    with no_descriptors_left():
        agent.give_up("listen/a")
    os.kill(short.pid(), signal.SIGKILL)
    with no_descriptors_left():
        with pytest.raises(HolderFailed, match="Too many open files"):
            agent.keep("listen/c", listener.fileno())
        agent.give_up("listen/c")
        assert "cannot be begun: [Errno 24] Too many open files" in short.said[-1]
    agent.keep("listen/c", listener.fileno())
    assert set(take(short.agent())) == {"listen/b", "listen/c"}
