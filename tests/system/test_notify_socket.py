"""Where an application's words arrive: whose they are, what comes with them, and that a flood holds nobody up."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import evolve

from orchestrator.model.health import Notification
from orchestrator.model.layout import Layout
from orchestrator.model.state import InstanceState
from orchestrator.ports import DiskFailed, OutsideError
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.files import make_folders
from orchestrator.system.notify_socket import MOST_A_SECOND, HostNotifySocket, HostNotifySockets
from tests.system.test_probes import state_of

READY = Notification(ready=True)


class MadeUpGroups(Cgroups):
    """Groups with just these processes in them."""

    def __init__(self, *pids: int) -> None:
        super().__init__(())
        self.members = frozenset(pids)
        self.broken = False

    def pids(self, path: str) -> frozenset[int]:
        assert path == "/agent/web-1"
        if self.broken:
            raise OutsideError("the kernel does not let it look")
        return self.members


class Place:
    """A socket of an instance, and what sends to it."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(str(folder / "state"), str(folder / "run"))
        self.groups = MadeUpGroups()
        self.sockets = HostNotifySockets(self.layout, self.groups)
        self.state: InstanceState = evolve(state_of(os.getpid()), instance="web-1", cgroups_path="/agent/web-1")
        self.path = self.layout.notify_socket("web-1")
        make_folders(self.layout.notify("web-1"), 0o755)

    @contextmanager
    def open(self) -> Iterator[HostNotifySocket]:
        with self.sockets.open(self.state) as opened:
            yield opened

    def send(self, message: bytes, descriptors: tuple[int, ...] = ()) -> None:
        """From this very process."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(self.path)
            socket.send_fds(sender, [message], list(descriptors))

    @contextmanager
    def another(self, message: str) -> Iterator[int]:
        """From a process that stays; its pid."""
        script = (
            "import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
            "s.sendto(sys.argv[2].encode(), sys.argv[1]); print('sent', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, self.path, message], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"sent\n"
            yield process.pid


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def receive_all(opened: HostNotifySocket) -> list[Notification]:
    """All that is there."""
    received: list[Notification] = []
    with trio.move_on_after(0.2):
        while True:
            received.append(await opened.receive())
    return received


async def test_words_arrive_in_their_order(place: Place) -> None:
    with place.open() as opened:
        for message in (b"STATUS=one", b"READY=1\nSTATUS=two", b"no word", b"", b"STOPPING=1"):
            place.send(message)
        assert [await opened.receive() for _ in range(3)] == [
            Notification(status="one"),
            Notification(ready=True, status="two"),
            Notification(stopping=True),
        ]


async def test_what_is_too_long_is_no_word(place: Place) -> None:
    with place.open() as opened:
        place.send(b"READY=1\nSTATUS=" + b"x" * 10_000)
        place.send(b"READY=1\nX_OURS=" + b"x" * 4000)
        assert await receive_all(opened) == [READY]


async def test_everybody_in_the_container_may_send_to_it(place: Place) -> None:
    with place.open():
        assert stat.S_IMODE(os.stat(place.path).st_mode) == 0o666
        assert os.listdir(place.layout.notify("web-1")) == ["socket"]


async def test_a_word_of_another_process_of_the_container(place: Place) -> None:
    with place.open() as opened, place.another("READY=1") as pid:
        place.groups.members = frozenset({pid})
        assert await opened.receive() == READY


async def test_a_word_from_without_is_dropped(place: Place) -> None:
    with place.open() as opened, place.another("READY=1"):
        assert await receive_all(opened) == []
        place.send(b"WATCHDOG=1")
        assert await opened.receive() == Notification(watchdog=True)


async def test_who_has_ended_meanwhile_is_believed(place: Place) -> None:
    with place.open() as opened:
        with place.another("READY=1"):
            pass
        assert await opened.receive() == READY


async def test_who_cannot_be_looked_at_is_believed(place: Place) -> None:
    place.groups.broken = True
    with place.open() as opened, place.another("READY=1"):
        assert await opened.receive() == READY


def open_descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


async def test_a_barrier_is_passed_when_all_before_it_was_received(place: Place) -> None:
    with place.open() as opened:
        before = open_descriptors()
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        place.send(b"READY=1")
        place.send(b"BARRIER=1", (writer,))
        place.send(b"STATUS=after")
        os.close(writer)
        assert await opened.receive() == READY
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
        assert await opened.receive() == Notification(status="after")
        assert os.read(reader, 1) == b""
        os.close(reader)
        assert open_descriptors() == before


async def test_no_descriptor_is_ever_received(place: Place) -> None:
    with place.open() as opened:
        before = open_descriptors()
        for _ in range(5):
            reader, writer = os.pipe()
            place.send(b"FDSTORE=1\nREADY=1", (reader,) * 250)
            os.close(reader)
            assert await opened.receive() == READY
            assert open_descriptors() == sorted({*before, str(writer)})
            with pytest.raises(BrokenPipeError):
                os.write(writer, b"x")
            os.close(writer)


async def test_systemd_notify_is_answered(place: Place) -> None:
    """The real client, which waits for its barrier."""
    place.groups.members = frozenset({os.getpid()})
    with place.open() as opened:
        received: list[Notification] = []

        async def listen() -> None:
            while True:
                received.append(await opened.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            command = ["systemd-notify", "--ready", "--status=up and running"]
            environ = {**os.environ, "NOTIFY_SOCKET": place.path}
            with trio.fail_after(30):
                await trio.run_process(command, env=environ)
            nursery.cancel_scope.cancel()
    assert [(each.ready, each.status) for each in received] == [(True, "up and running")]


async def test_a_next_agent_listens_at_the_same_place(place: Place) -> None:
    with place.open() as first, place.open() as second:
        place.send(b"READY=1")
        assert await second.receive() == READY
        assert await receive_all(first) == []
    with pytest.raises(ConnectionRefusedError):
        place.send(b"READY=1")
    with place.open() as third:
        place.send(b"READY=1")
        assert await third.receive() == READY


async def test_a_path_may_be_longer_than_an_address(tmp_path: Path) -> None:
    place = Place(tmp_path / ("x" * 120))
    with place.open() as opened:
        descriptor = os.open(place.layout.notify("web-1"), os.O_PATH)
        place.path = f"/proc/self/fd/{descriptor}/socket"
        place.send(b"READY=1")
        os.close(descriptor)
        assert await opened.receive() == READY


async def test_a_folder_that_is_not_there(place: Place) -> None:
    os.rmdir(place.layout.notify("web-1"))
    before = open_descriptors()
    with (
        pytest.raises(DiskFailed, match=r"cannot listen at .*/notify/web-1/socket: No such file or directory"),
        place.open(),
    ):
        raise AssertionError("it was opened")
    assert open_descriptors() == before


async def test_a_wait_may_be_cancelled(place: Place) -> None:
    with place.open() as opened:
        with trio.move_on_after(0):
            await opened.receive()
        place.send(b"READY=1")
        assert await opened.receive() == READY


async def test_a_flood_holds_nobody_up(place: Place) -> None:
    """Nor is it read faster than the rest of the agent's work allows."""
    with place.open() as opened:
        received = 0

        async def listen() -> None:
            nonlocal received
            while True:
                await opened.receive()
                received += 1

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            sender = trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            await sender.connect(place.path)
            with sender, trio.move_on_after(0.8):
                for number in range(1_000_000):
                    await sender.send(f"STATUS={number}".encode())
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        seconds = int(trio.current_time() - began) + 1
    assert MOST_A_SECOND <= received <= MOST_A_SECOND * seconds
