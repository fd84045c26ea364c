"""The descriptor store, on a socket of the test's own; under a real systemd it is tried in tests/systemd."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.ports import DescriptorStore
from orchestrator.system.fdstore import FIRST, SystemdStore
from orchestrator.system.sdnotify import ManagerSocket
from tests.system.helpers_manager import Manager, listen
from tests.system.test_sdnotify import fill


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/notify")
    with listen(f"{tmp_path}/notify") as manager:
        yield manager


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    """A descriptor that can be told from others: of a file."""
    descriptor = os.open(tmp_path / "kept", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    yield descriptor
    os.close(descriptor)


def count_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_what_is_to_be_kept_is_sent_along(manager: Manager, descriptor: int) -> None:
    wire = ManagerSocket()
    store: DescriptorStore = SystemdStore(wire, {})
    store.keep("web-1", descriptor)
    text, (copy,) = manager.read()
    assert text == "FDSTORE=1\nFDNAME=web-1\nFDPOLL=0"
    assert os.path.samestat(os.fstat(copy), os.fstat(descriptor))
    os.close(copy)
    store.give_up("web-1")
    assert manager.read_texts() == ["FDSTOREREMOVE=1\nFDNAME=web-1"]
    wire.close()


@pytest.mark.parametrize("name", ["", "a:b", "a\nREADY=1", "a\x7f", "ä", "x" * 256])
def test_what_is_no_name_is_not_said(manager: Manager, descriptor: int, name: str) -> None:
    wire = ManagerSocket()
    store = SystemdStore(wire, {})
    store.keep(name, descriptor)
    store.give_up(name)
    assert manager.read_texts() == []
    wire.close()


def test_a_full_buffer_loses_no_descriptor_and_holds_none_for_ever(manager: Manager, descriptor: int) -> None:
    wire = ManagerSocket()
    store = SystemdStore(wire, {})
    before = count_descriptors()
    fill(wire)
    for name in ("web-1", "web-2"):
        store.keep(name, descriptor)
    assert count_descriptors() == before + 2, "the caller may close its own"
    store.give_up("web-2")
    assert count_descriptors() == before + 1
    manager.read_texts()
    wire.close()
    text, (copy,) = manager.read()
    assert text == "FDSTORE=1\nFDNAME=web-1\nFDPOLL=0"
    assert os.path.samestat(os.fstat(copy), os.fstat(descriptor))
    os.close(copy)
    assert manager.read_texts() == ["FDSTOREREMOVE=1\nFDNAME=web-2"]


def test_without_a_manager_nothing_is_kept(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    before = count_descriptors()
    store = SystemdStore(ManagerSocket(), {})
    store.keep("web-1", descriptor)
    assert store.take("web-1") is None
    store.give_up_rest()
    assert count_descriptors() == before


HEIR = """
import os, sys
from orchestrator.system.fdstore import SystemdStore
from orchestrator.system.sdnotify import ManagerSocket
os.environ["LISTEN_PID"] = str(os.getpid() + int(sys.argv[1]))
wire = ManagerSocket()
store = SystemdStore(wire)
taken = [store.take("web-1"), store.take("web-1"), store.take("never")]
print(*(None if each is None else os.read(each, 10).decode() for each in taken))
print(*(os.get_inheritable(each) for each in taken if each is not None))
print(*(name for name in os.environ if name.startswith("LISTEN_")))
store.give_up_rest()
print(*(number for number in range(3, 6) if os.path.exists(f"/proc/self/fd/{number}")))
wire.close()
"""
"""A process that was started with descriptors, as by systemd."""


def run_heir(tmp_path: Path, names: str, other_pid: int = 0, script: str = HEIR) -> list[str]:
    """Start it with three files, whose text is their number."""
    opened = []
    for number in range(FIRST, FIRST + 3):
        file = tmp_path / f"{number}"
        file.write_text(f"file {number}")
        # Out of the way of the numbers that they are to have.
        at_first = os.open(file, os.O_RDONLY)
        opened.append(fcntl.fcntl(at_first, fcntl.F_DUPFD_CLOEXEC, 100))
        os.close(at_first)

    def hand_over() -> None:
        for number, descriptor in enumerate(opened, FIRST):
            os.dup2(descriptor, number)

    environ = {**os.environ, "LISTEN_FDS": "3", "LISTEN_FDNAMES": names}
    done = subprocess.run(
        [sys.executable, "-c", script, f"{other_pid}"],
        preexec_fn=hand_over,
        close_fds=False,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    for descriptor in opened:
        os.close(descriptor)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_was_kept_is_taken_once_and_the_rest_is_given_up(manager: Manager, tmp_path: Path) -> None:
    taken, inheritable, variables, left = run_heir(tmp_path, "job-1:web-1:odd")
    assert taken == "file 4 None None"
    assert inheritable == "False"
    assert variables == ""
    assert left == "4"
    assert manager.read_texts() == [f"FDSTOREREMOVE=1\nFDNAME={name}" for name in ("job-1", "odd")]


def test_names_may_be_fewer(manager: Manager, tmp_path: Path) -> None:
    taken, _, _, left = run_heir(tmp_path, "web-1")
    assert (taken, left) == ("file 3 None None", "3")
    assert manager.read_texts() == ["FDSTOREREMOVE=1\nFDNAME=unknown"]


def test_what_is_anothers_is_not_touched_but_its_variables_go(manager: Manager, tmp_path: Path) -> None:
    taken, _, variables, left = run_heir(tmp_path, "web-1", other_pid=1)
    assert (taken, variables, left) == ("None None None", "", "3 4 5")
    assert manager.read_texts() == []


ALL_HEIR = """
import os
from orchestrator.system.fdstore import SystemdStore
from orchestrator.system.sdnotify import ManagerSocket
os.environ["LISTEN_PID"] = str(os.getpid())
wire = ManagerSocket()
store = SystemdStore(wire)
taken = store.take_all("listen/")
print(*(f"{name}:{os.read(each, 10).decode()}:{os.get_inheritable(each)}" for name, each in sorted(taken.items())))
print(store.take_all("listen/"))
store.give_up_rest()
print(*(number for number in range(3, 6) if os.path.exists(f"/proc/self/fd/{number}")))
wire.close()
"""


@pytest.mark.parametrize(
    ("names", "taken", "left", "given_up"),
    [
        ("listen/a:web-1:listen/b", "listen/a:file 3:False listen/b:file 5:False", "3 5", ["web-1"]),
        ("listen/a:listen/a:listen/b", "listen/a:file 4:False listen/b:file 5:False", "4 5", []),
        ("listener:web-1:other", "", "", ["listener", "web-1", "other"]),
    ],
    ids=["some", "twice", "none"],
)
def test_all_of_a_kind_are_taken_and_kept_on(
    manager: Manager, tmp_path: Path, names: str, taken: str, left: str, given_up: list[str]
) -> None:
    assert run_heir(tmp_path, names, script=ALL_HEIR) == [taken, "{}", left]
    assert manager.read_texts() == [f"FDSTOREREMOVE=1\nFDNAME={name}" for name in given_up]


@pytest.mark.parametrize("count", ["", "many", "-1", "²"])
def test_what_is_no_number_is_none(count: str) -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count, "LISTEN_FDNAMES": "web-1", "OTHER": "x"}
    store = SystemdStore(ManagerSocket(), environ)
    assert store.take("web-1") is None
    assert environ == {"OTHER": "x"}
