"""The control socket in the file system: its mode, its place taken and kept, its end."""
# ruff: noqa: ASYNC240 - what the tests do to files is done at once, and the loop waits for it

import os
import socket
import stat
from pathlib import Path

import pytest
import trio
import trio.testing

from orchestrator.ports import DiskFailed
from orchestrator.system.control import ControlSocket
from orchestrator.system.socketpath import LONGEST_ADDRESS, shorten_path


async def test_only_its_owner_may_connect_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    for mask in (0o000, 0o077, 0o777):
        old = os.umask(mask)
        try:
            with ControlSocket(str(path)) as listener:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                assert listener.is_bound()
                assert os.umask(mask) == mask, "it is as it was"
        finally:
            os.umask(old)
        assert not path.exists()


async def test_the_socket_of_an_agent_that_is_gone_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with ControlSocket(str(path)), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


async def test_what_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(DiskFailed, match=f"cannot listen at {path}: Address already in use"):
        ControlSocket(str(path))
    assert path.read_text() == "precious"


async def test_a_socket_of_another_is_not_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with ControlSocket(str(path)) as listener:
        path.unlink()
        with ControlSocket(str(path)):
            assert not listener.is_bound()
            listener.close()
            listener.close()
            assert path.exists()


async def test_a_path_that_is_too_long_for_an_address(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * LONGEST_ADDRESS)
    folder.mkdir()
    with ControlSocket(f"{folder}/control.sock") as listener:
        assert (folder / "control.sock").is_socket()
        check_hang_up(listener, f"{folder}/control.sock")


async def test_a_folder_that_is_gone_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with ControlSocket(f"{folder}/control.sock") as listener:
        before = listener.fileno()
        (folder / "control.sock").unlink()
        folder.rmdir()
        with pytest.raises(DiskFailed, match="No such file or directory"):
            listener.bind_again()
        assert listener.fileno() == before
        folder.mkdir()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.wait_replaced, before)
            await trio.testing.wait_all_tasks_blocked()
            listener.bind_again()
        assert listener.is_bound()


async def test_only_its_own_connections_are_ended(tmp_path: Path) -> None:
    with (
        ControlSocket(f"{tmp_path}/one") as one,
        ControlSocket(f"{tmp_path}/two"),
        socket.socket(socket.AF_UNIX) as kept,
    ):
        kept.connect(f"{tmp_path}/two")
        check_hang_up(one, f"{tmp_path}/one")
        kept.settimeout(0)
        with pytest.raises(BlockingIOError):
            kept.recv(1)
    assert not os.path.exists(f"{tmp_path}/one")


def check_hang_up(listener: ControlSocket, path: str) -> None:
    """Somebody is connected; then nobody is."""
    with socket.socket(socket.AF_UNIX) as client:
        with shorten_path(path) as address:
            client.connect(address)
        with socket.socket(fileno=os.dup(listener.fileno())) as listening:
            accepted, _ = listening.accept()
        with accepted:
            listener.hang_up()
            assert client.recv(1) == b""
