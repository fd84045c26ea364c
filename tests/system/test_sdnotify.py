"""sd_notify(3), on a socket of the test's own."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from orchestrator.ports import Notifier
from orchestrator.system.sdnotify import ManagerSocket, SystemdNotifier
from tests.system.helpers_manager import Manager, listen


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    address = f"{tmp_path}/notify" if request.param == "path" else f"@orchestrator-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with listen(address) as manager:
        yield manager


@pytest.fixture(autouse=True)
def _no_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)


def fill(wire: ManagerSocket) -> int:
    """Send until the kernel takes no more; how many it took."""
    for number in range(100_000):
        wire.send(f"X_FILL={number}")
        if wire.recall("X_FILL="):
            return number
    raise AssertionError("the buffer has no end")


def test_each_word_arrives(manager: Manager) -> None:
    wire = ManagerSocket()
    port: Notifier = SystemdNotifier(wire)
    port.ready()
    port.status("3 run,\n1 in backoff")
    port.status("größer → 木")
    port.watchdog()
    port.extend(1.5)
    port.stopping()
    assert manager.read_texts() == [
        "READY=1",
        "STATUS=3 run, 1 in backoff",
        "STATUS=größer → 木",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=1500000",
        "STOPPING=1",
    ]
    wire.close()
    wire.close()
    port.ready()
    assert manager.read_texts() == []


def test_a_reload_tells_its_moment(manager: Manager) -> None:
    wire = ManagerSocket()
    before = time.monotonic()
    SystemdNotifier(wire).reloading()
    after = time.monotonic()
    (text,) = manager.read_texts()
    word, moment = text.split("\n")
    assert word == "RELOADING=1"
    assert before - 1e-6 <= int(moment.removeprefix("MONOTONIC_USEC=")) / 1e6 <= after
    wire.close()


def test_a_manager_that_does_not_read_stops_nobody_and_misses_nothing_that_matters(manager: Manager) -> None:
    wire = ManagerSocket()
    notifier = SystemdNotifier(wire)
    fill(wire)
    for number in range(3):
        notifier.watchdog()
        notifier.extend(1)
        notifier.status(f"{number}")
    notifier.ready()
    filled = manager.read_texts()
    assert filled
    assert all(text.startswith("X_FILL=") for text in filled)
    wire.close()  # a last try
    assert manager.read_texts() == ["STATUS=2", "READY=1"]


async def test_what_had_to_wait_arrives_in_its_order_when_there_is_room(manager: Manager) -> None:
    wire = ManagerSocket()
    count = fill(wire)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run)
        for number in range(count + 5):
            wire.send(f"X_LATE={number}")
        await trio.testing.wait_all_tasks_blocked()
        wire.send("STOPPING=1")
        seen: list[str] = []
        with trio.fail_after(20):
            while "STOPPING=1" not in seen:
                seen += manager.read_texts()
                await trio.lowlevel.checkpoint()
        assert [text for text in seen if text.startswith("X_LATE")] == [f"X_LATE={n}" for n in range(count + 5)]
        await trio.testing.wait_all_tasks_blocked()
        wire.send("READY=1")  # nothing waits any more: this goes straight
        assert manager.read_texts() == ["READY=1"]
        nursery.cancel_scope.cancel()
    wire.close()


# sdnotify drops a socket that it could not connect without closing it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_a_manager_that_comes_back_is_told_what_is_new(manager: Manager) -> None:
    wire = ManagerSocket()
    fill(wire)
    wire.send("X_OLD=1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run)
        await trio.testing.wait_all_tasks_blocked()
        manager.vanish()
        with trio.fail_after(20):
            while wire.recall("X_NONE") or wire._waiting:  # noqa: ASYNC110 - there is no event for what is dropped
                await trio.sleep(0.001)
        wire.send("X_NOBODY=1")
        manager.come_back()
        wire.send("READY=1")
        assert manager.read_texts() == ["READY=1"]
        nursery.cancel_scope.cancel()
    wire.close()


def test_without_a_manager_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    wire = ManagerSocket()
    notifier = SystemdNotifier(wire)
    notifier.ready()
    notifier.status("x")
    assert not wire.recall("")
    assert notifier.watchdog_interval is None
    wire.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_manager_that_is_gone_is_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/gone")
    wire = ManagerSocket()
    SystemdNotifier(wire).ready()
    assert not wire.recall(""), "nothing waits for nobody"
    wire.close()


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
    assert SystemdNotifier(ManagerSocket()).watchdog_interval == interval
