"""sd_notify(3), on a socket of the test's own."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.ports import Notifier
from orchestrator.system.sdnotify import SystemdNotifier


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd would listen on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        path = f"{tmp_path}/notify"
        listener.bind(path)
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield listener


@pytest.fixture(autouse=True)
def _no_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)


def test_each_word_arrives(manager: socket.socket) -> None:
    notifier = SystemdNotifier()
    port: Notifier = notifier
    port.ready()
    port.status("3 run,\n1 in backoff")
    port.status("größer → 木")
    port.watchdog()
    port.stopping()
    said = [manager.recv(4096).decode() for _ in range(5)]
    assert said == ["READY=1", "STATUS=3 run, 1 in backoff", "STATUS=größer → 木", "WATCHDOG=1", "STOPPING=1"]
    notifier.close()
    notifier.close()
    notifier.ready()
    with pytest.raises(BlockingIOError):
        manager.recv(4096)


def test_an_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")  # autobind, unix(7)
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + listener.getsockname()[1:].decode())
        notifier = SystemdNotifier()
        notifier.ready()
        assert listener.recv(4096) == b"READY=1"
        notifier.close()


def test_a_manager_that_does_not_read_stops_nobody(manager: socket.socket) -> None:
    notifier = SystemdNotifier()
    for _ in range(10_000):
        notifier.watchdog()
    notifier.close()
    assert manager.recv(4096) == b"WATCHDOG=1"


def test_without_a_manager_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = SystemdNotifier()
    notifier.ready()
    notifier.status("x")
    assert notifier.watchdog_interval is None


# sdnotify drops its unconnected socket without closing it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_manager_that_is_gone_is_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/gone")
    notifier = SystemdNotifier()
    notifier.ready()
    notifier.close()


@pytest.mark.parametrize(
    ("micros", "pid", "interval"),
    [
        ("30000000", None, 15.0),
        ("30000000", "own", 15.0),
        ("30000000", "1", None),
        ("0", None, None),
        ("-5", None, None),
        ("soon", None, None),
        ("30000000", "me", None),
        (None, "own", None),
    ],
)
def test_the_watchdog_is_asked_for_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, micros: str | None, pid: str | None, interval: float | None
) -> None:
    if micros is not None:
        monkeypatch.setenv("WATCHDOG_USEC", micros)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert SystemdNotifier().watchdog_interval == interval
