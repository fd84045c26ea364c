"""Listening sockets on this host, and what applications and others do to them."""

import os
import select
import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.model.sockets import ListenSpec
from orchestrator.ports import Listeners, ListenFailed
from tests.faults.helpers_descriptors import no_descriptors_left
from tests.system.helpers_listen import DATAGRAM, answer, connect, free_port, spec


@pytest.mark.parametrize("place", ["port", "path"])
def test_what_an_application_has_shut_down_is_made_anew(listeners: Listeners, tmp_path: Path, place: str) -> None:
    port = free_port()
    address: str | tuple[str, int] = ("127.0.0.1", port) if place == "port" else f"{tmp_path}/web"
    one = spec(address if isinstance(address, str) else f"127.0.0.1:{port}")
    (held,) = listeners.open("web", (one,))
    with socket.socket(fileno=os.dup(held)) as application:
        application.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ConnectionRefusedError):
        connect(address)
    (held,) = listeners.open("web", (one,))
    with connect(address) as connection:
        answer(held, b"hello")
        assert connection.recv(10) == b"hello"


def test_a_path_that_somebody_has_removed_is_made_anew(listeners: Listeners, tmp_path: Path) -> None:
    path = tmp_path / "web"
    listeners.open("web", (spec(f"{path}"),))
    path.unlink()
    (held,) = listeners.open("web", (spec(f"{path}"),))
    with connect(f"{path}") as connection:
        answer(held, b"hello")
        assert connection.recv(10) == b"hello"


def test_what_waits_makes_no_socket_unusable(listeners: Listeners) -> None:
    port, datagrams = free_port(), free_port(socket.SOCK_DGRAM)
    specs = (spec(f"127.0.0.1:{port}"), spec(f"127.0.0.1:{datagrams}", name="b", kind=DATAGRAM))
    before = listeners.open("web", specs)
    with connect(("127.0.0.1", port)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hello", ("127.0.0.1", datagrams))
        assert len(select.select(before, [], [], 10)[0]) == 2
        assert listeners.open("web", specs) == before


def test_the_path_of_a_socket_that_nobody_listens_at_is_taken_over(listeners: Listeners, tmp_path: Path) -> None:
    path = f"{tmp_path}/web"
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_UNIX, kind) as dead:
            dead.bind(path)
        (held,) = listeners.open("web", (spec(path),))
        with connect(path):
            answer(held, b"")
        listeners.keep_only({})
        assert not os.path.exists(path)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_the_path_at_which_somebody_listens_is_left_alone(listeners: Listeners, tmp_path: Path, kind: int) -> None:
    path = tmp_path / "web"
    with socket.socket(socket.AF_UNIX, kind) as other:
        other.bind(f"{path}")
        if kind != socket.SOCK_DGRAM:
            other.listen(0)
        before = path.stat().st_ino
        clients = []
        for _ in range(3):  # its queue is full then
            client = socket.socket(socket.AF_UNIX, kind)
            client.setblocking(False)
            clients.append(client)
            client.connect_ex(f"{path}")
        with pytest.raises(ListenFailed, match=r"Address already in use \(somebody else listens there\)"):
            listeners.open("web", (spec(f"{path}"),))
        assert path.stat().st_ino == before
        for client in clients:
            client.close()


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(listeners: Listeners, tmp_path: Path, what: str) -> None:
    path = tmp_path / "web"
    if what == "link":
        path.symlink_to("/etc/passwd")
    else:
        (path.touch if what == "file" else path.mkdir)()
    with pytest.raises(ListenFailed, match=r"Address already in use \(there is something that is no socket\)"):
        listeners.open("web", (spec(f"{path}", uid=1234),))
    assert path.lstat().st_uid == os.geteuid()
    assert os.stat("/etc/passwd").st_uid == 0


def test_a_link_that_takes_the_place_of_a_path_is_not_followed(listeners: Listeners, tmp_path: Path) -> None:
    path, victim = tmp_path / "web", tmp_path / "victim"
    victim.touch(0o600)
    one = spec(f"{path}")
    listeners.open("web", (one,))
    path.unlink()
    path.symlink_to(victim)
    with pytest.raises(ListenFailed):
        listeners.open("web", (spec(f"{path}", uid=1234, mode=0o666),))
    found = victim.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (os.geteuid(), 0o600)


def test_a_path_that_cannot_be_given_away_is_not_left(
    listeners: Listeners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(ListenFailed, match="Operation not permitted"):
        listeners.open("web", (spec(f"{tmp_path}/web", uid=1234),))
    assert not list(tmp_path.iterdir())


def test_an_address_that_the_host_has_not_says_so(listeners: Listeners) -> None:
    with pytest.raises(ListenFailed, match=r"cannot listen at 203\.0\.113\.1:80: Cannot assign .* \(no interface has"):
        listeners.open("web", (spec("203.0.113.1:80"),))


def test_what_is_left_of_connections_is_in_nobodys_way(listeners: Listeners) -> None:
    port = free_port()
    one = spec(f"127.0.0.1:{port}")
    (held,) = listeners.open("web", (one,))
    with closing(connect(("127.0.0.1", port))) as connection:
        answer(held, b"bye")  # whoever closes first has it in TIME_WAIT
        assert connection.recv(10) == b"bye"
    listeners.keep_only({})
    listeners.open("web", (one,))


def test_both_ends_say_the_address_that_was_asked_for(listeners: Listeners, tmp_path: Path) -> None:
    """nginx finds the socket of a `listen` by getsockname(2)."""
    port = free_port()
    specs: tuple[ListenSpec, ...] = (spec(f"127.0.0.1:{port}"), spec(f"{tmp_path}/web", name="path"))
    said = []
    for held in listeners.open("web", specs):
        with socket.socket(fileno=os.dup(held)) as listener:
            said.append(listener.getsockname())
    assert said == [("127.0.0.1", port), f"{tmp_path}/web"]


def test_with_no_descriptor_left_none_is_opened_and_those_that_are_held_can_be_closed(
    listeners: Listeners, tmp_path: Path
) -> None:
    specs = (spec(f"{tmp_path}/web"), spec(f"127.0.0.1:{free_port()}", name="port"))
    listeners.open("web", specs)
    with no_descriptors_left():
        with pytest.raises(ListenFailed, match="Too many open files"):
            listeners.open("web", (*specs, spec(f"{tmp_path}/more", name="more")))
        listeners.keep_only({"web": specs[:1]})
        listeners.keep_only({})
    assert not list(tmp_path.iterdir())
