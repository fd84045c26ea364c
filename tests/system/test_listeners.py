"""Listening sockets on this host: what they are, what they outlive, and what is left of them."""

import os
import socket
import stat
from pathlib import Path

import pytest

from orchestrator.ports import Listeners, ListenFailed
from orchestrator.system.listeners import HostListeners
from tests.system.helpers_listen import (
    DATAGRAM,
    MadeUpKeeper,
    answer,
    connect,
    count_descriptors,
    free_port,
    inode_of,
    spec,
)


def option_of(descriptor: int, level: int, option: int) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as held:
        return held.getsockopt(level, option)


def test_a_port_is_listened_at_and_its_descriptor_is_private(listeners: Listeners) -> None:
    port = free_port()
    (held,) = listeners.open("web", (spec(f"127.0.0.1:{port}"),))
    assert not os.get_inheritable(held)
    assert os.get_blocking(held)
    with connect(("127.0.0.1", port)) as connection:
        answer(held, b"hello")
        assert connection.recv(10) == b"hello"
    with pytest.raises(ConnectionRefusedError):
        connect(("127.0.0.2", port))


def test_all_addresses_are_those_of_both_versions(listeners: Listeners) -> None:
    port = free_port()
    (held,) = listeners.open("web", (spec(f"*:{port}"),))
    for host in ("127.0.0.1", "::1"):
        with connect((host, port)) as connection:
            answer(held, host.encode())
            assert connection.recv(10) == host.encode()


def test_all_of_version_6_are_no_others(listeners: Listeners) -> None:
    port = free_port()
    listeners.open("web", (spec(f"[::]:{port}"), spec(f"0.0.0.0:{port}", name="four")))
    with pytest.raises(ListenFailed, match=rf"cannot listen at \*:{port}: Address already in use"):
        listeners.open("other", (spec(f"*:{port}"),))


def test_an_address_of_an_interface_alone_names_it(listeners: Listeners) -> None:
    with pytest.raises(ListenFailed, match="no interface with this name"):
        listeners.open("web", (spec("[fe80::1%nonesuch]:80"),))
    with pytest.raises(ListenFailed, match=r"Cannot assign requested address \(no interface has it\)"):
        listeners.open("web", (spec(f"[fe80::1234%lo]:{free_port()}"),))


def test_datagrams_come(listeners: Listeners, tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    specs = (spec(f"127.0.0.1:{port}", kind=DATAGRAM), spec(f"{tmp_path}/log", name="log", kind=DATAGRAM))
    addresses: tuple[str | tuple[str, int], ...] = (("127.0.0.1", port), f"{tmp_path}/log")
    for held, address in zip(listeners.open("web", specs), addresses, strict=True):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", address)
        with socket.socket(fileno=os.dup(held)) as receiver:
            receiver.settimeout(10)
            assert receiver.recv(10) == b"hello"


def test_the_same_sockets_are_the_same_from_instance_to_instance(listeners: Listeners, keeper: MadeUpKeeper) -> None:
    specs = tuple(spec(f"127.0.0.1:{free_port()}", name=name) for name in "ab")
    first = listeners.open("web", specs)
    assert listeners.open("web", specs) == first
    assert listeners.open("web", tuple(reversed(specs))) == tuple(reversed(first)), "in the order that is asked for"
    assert len(keeper.kept) == 2


def test_a_next_agent_has_the_same_sockets(keeper: MadeUpKeeper, tmp_path: Path) -> None:
    specs = (spec(f"127.0.0.1:{free_port()}"), spec(f"{tmp_path}/web", name="path"))
    before = [inode_of(held) for held in HostListeners(keeper).open("web", specs)]
    with connect(f"{tmp_path}/web") as waiting:
        heir = HostListeners(keeper)
        heir.keep_only(None)
        heir.keep_only({"web": None})
        after = heir.open("web", specs)
        assert [inode_of(held) for held in after] == before
        answer(after[1], b"late")
        assert waiting.recv(10) == b"late"


def test_what_another_kept_until_now_is_kept_here_from_now_on(keeper: MadeUpKeeper, tmp_path: Path) -> None:
    before = MadeUpKeeper()
    specs = (spec(f"{tmp_path}/a", name="a"), spec(f"{tmp_path}/b", name="b"))
    HostListeners(keeper).open("web", specs[:1])
    held = HostListeners(before).open("web", (specs[1],))
    inode = inode_of(held[0])
    HostListeners(before, (keeper,)).keep_only(None)
    assert (len(before.kept), keeper.kept) == (2, {})
    heir = HostListeners(keeper, (before,))
    assert (len(keeper.kept), before.kept) == (2, {})
    assert inode_of(heir.open("web", specs)[1]) == inode


def test_what_cannot_be_kept_here_stays_where_it_is(keeper: MadeUpKeeper, tmp_path: Path) -> None:
    before = MadeUpKeeper()
    one = spec(f"{tmp_path}/web")
    HostListeners(before).open("web", (one,))
    keeper.broken = True
    heir = HostListeners(keeper, (before,))
    with connect(f"{tmp_path}/web"):
        answer(heir.open("web", (one,))[0], b"")
    assert (keeper.kept, len(before.kept)) == ({}, 1)
    HostListeners(before).keep_only({})


def test_only_what_is_wanted_is_kept(listeners: Listeners, keeper: MadeUpKeeper, tmp_path: Path) -> None:
    stays, goes = spec(f"{tmp_path}/stays"), spec(f"{tmp_path}/goes", name="goes")
    (held, _) = listeners.open("web", (stays, goes))
    listeners.open("other", (spec(f"{tmp_path}/other"),))
    listeners.open("unknown", (spec(f"{tmp_path}/unknown"),))
    listeners.keep_only({"web": {stays}, "unknown": None})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stays", "unknown"]
    assert len(keeper.kept) == 2
    assert listeners.open("web", (stays,)) == (held,)


def test_of_several_all_are_opened_or_none(listeners: Listeners, keeper: MadeUpKeeper, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = spec(f"127.0.0.1:{other.getsockname()[1]}", name="taken")
        before = count_descriptors()
        (held,) = listeners.open("web", (spec(f"{tmp_path}/before"),))
        with pytest.raises(ListenFailed, match="somebody else listens there"):
            listeners.open("web", (spec(f"{tmp_path}/before"), spec(f"{tmp_path}/new", name="new"), taken))
    assert count_descriptors() == before + 1, "its own, and the keeper's, without the other's"
    assert [path.name for path in tmp_path.iterdir()] == ["before"]
    assert listeners.open("web", (spec(f"{tmp_path}/before"),)) == (held,)
    assert len(keeper.kept) == 1


def test_what_cannot_be_kept_is_not_opened(listeners: Listeners, keeper: MadeUpKeeper, tmp_path: Path) -> None:
    keeper.broken = True
    before = count_descriptors()
    with pytest.raises(ListenFailed, match=f"cannot keep the socket {tmp_path}/web: there is no room"):
        listeners.open("web", (spec(f"{tmp_path}/web"),))
    assert count_descriptors() == before
    assert not list(tmp_path.iterdir())


# What can be changed while it is held.


def test_another_name_queue_or_flag_is_the_same_socket(listeners: Listeners) -> None:
    port = free_port()
    (held,) = listeners.open("web", (spec(f"127.0.0.1:{port}", backlog=1),))
    with connect(("127.0.0.1", port)) as waiting:
        assert listeners.open("web", (spec(f"127.0.0.1:{port}", name="http", backlog=9, nonblocking=True),)) == (held,)
        assert not os.get_blocking(held)
        answer(held, b"hello")
        assert waiting.recv(10) == b"hello"


def test_a_socket_stays_as_its_application_has_made_it(listeners: Listeners) -> None:
    """Two instances have it while one follows the other: whoever sets it to block would have the other wait."""
    one = spec(f"127.0.0.1:{free_port()}")
    (held,) = listeners.open("web", (one,))
    os.set_blocking(held, False)
    listeners.open("web", (one,))
    assert not os.get_blocking(held)


def test_the_queue_is_as_long_as_it_is_to_be(listeners: Listeners, tmp_path: Path) -> None:
    path = f"{tmp_path}/web"

    def fill(backlog: int) -> int:
        listeners.open("web", (spec(path, backlog=backlog),))
        clients: list[socket.socket] = []
        try:
            while len(clients) < 50:
                client = socket.socket(socket.AF_UNIX)
                client.setblocking(False)
                clients.append(client)
                client.connect(path)
        except BlockingIOError:
            pass
        finally:
            for client in clients:
                client.close()
        return len(clients)

    assert fill(1) < 5
    assert fill(20) > 15


def test_another_mode_and_owner_are_given_to_the_path_as_it_is(listeners: Listeners, tmp_path: Path) -> None:
    path = tmp_path / "web"
    (held,) = listeners.open("web", (spec(f"{path}", mode=0o600),))
    before = path.stat()
    assert (stat.S_IMODE(before.st_mode), before.st_uid) == (0o600, os.geteuid())
    assert listeners.open("web", (spec(f"{path}", mode=0o664, uid=1234, gid=5678),)) == (held,)
    after = path.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o664, 1234, 5678)
    assert after.st_ino == before.st_ino


def test_the_mask_of_the_process_makes_no_difference(listeners: Listeners, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        listeners.open("web", (spec(f"{tmp_path}/deep/below/web", mode=0o666),))
        assert stat.S_IMODE(os.stat(f"{tmp_path}/deep/below/web").st_mode) == 0o666
    finally:
        assert os.umask(before) == 0o077


@pytest.mark.parametrize("kind", ["stream", "datagram"])
@pytest.mark.parametrize(("first", "second"), [("127.0.0.1", "*"), ("*", "127.0.0.1"), ("0.0.0.0", "*")])
def test_an_address_that_overlaps_is_opened_before_the_one_before_is_closed(
    listeners: Listeners, first: str, second: str, kind: str
) -> None:
    kinds = {"stream": (socket.SOCK_STREAM, {}), "datagram": (socket.SOCK_DGRAM, {"kind": DATAGRAM})}
    number, fields = kinds[kind]
    port = free_port(number)
    one, two = (spec(f"{host}:{port}", **fields) for host in (first, second))
    (before,) = listeners.open("web", (one,))
    (after,) = listeners.open("web", (two,))
    assert inode_of(before) != inode_of(after)
    for held in (before, after):
        assert option_of(held, socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0, "only meanwhile"
    listeners.keep_only({"web": {two}})
    if kind == "stream":
        with connect(("127.0.0.1", port)) as connection:
            answer(after, b"hello")
            assert connection.recv(10) == b"hello"


def test_an_address_of_another_container_is_taken(listeners: Listeners, tmp_path: Path) -> None:
    port = free_port()
    (held, _) = listeners.open("web", (spec(f"127.0.0.1:{port}"), spec(f"{tmp_path}/web", name="path")))
    for address in (f"127.0.0.1:{port}", f"*:{port}", f"{tmp_path}/web"):
        with pytest.raises(ListenFailed, match="somebody else listens there"):
            listeners.open("other", (spec(address),))
    assert option_of(held, socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
    with connect(f"{tmp_path}/web"):
        pass


def test_those_who_share_a_port_each_have_a_queue(listeners: Listeners) -> None:
    port = free_port()
    specs = tuple(spec(f"127.0.0.1:{port}", name=name, reuse_port=True) for name in "ab")
    first, second = listeners.open("web", specs)
    (third,) = listeners.open("other", specs[:1])
    assert len({inode_of(held) for held in (first, second, third)}) == 3
    # And back: nobody else may, from then on.
    (alone,) = listeners.open("web", (spec(f"127.0.0.1:{port}"),))
    assert option_of(alone, socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0


def test_a_path_may_become_one_of_another_kind(listeners: Listeners, tmp_path: Path) -> None:
    path = f"{tmp_path}/web"
    listeners.open("web", (spec(path),))
    datagrams = spec(path, kind=DATAGRAM)
    (held,) = listeners.open("web", (datagrams,))
    listeners.keep_only({"web": {datagrams}})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hello", path)
    assert os.read(held, 10) == b"hello"


def test_what_gives_way_to_another_does_so_last(listeners: Listeners, tmp_path: Path) -> None:
    path = f"{tmp_path}/web"
    (held,) = listeners.open("web", (spec(path),))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = spec(f"127.0.0.1:{other.getsockname()[1]}", name="taken")
        with pytest.raises(ListenFailed):
            listeners.open("web", (spec(path, kind=DATAGRAM), taken))
    with connect(path) as connection:
        answer(held, b"hello")
        assert connection.recv(10) == b"hello"
