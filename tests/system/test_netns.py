"""A path that leads to the network namespace of a process, and to no other's."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.ports import NetworkGone, OutsideError
from orchestrator.system.netns import HostNetworks
from orchestrator.system.procstat import read_start_time

NETWORKS = HostNetworks()


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """A process with a network namespace of its own, which has said so."""
    with subprocess.Popen(
        ("unshare", "-n", "sh", "-c", "readlink /proc/self/ns/net; exec sleep 1000"), stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def start_time(process: subprocess.Popen[str]) -> int:
    found = read_start_time(process.pid)
    assert found is not None
    return found


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.real
def test_another_process_follows_it_even_when_that_one_has_ended(other: subprocess.Popen[str], tmp_path: Path) -> None:
    assert other.stdout is not None
    namespace = other.stdout.readline().strip()
    link, before = tmp_path / "netns", descriptors()
    with NETWORKS.hold(other.pid, start_time(other), str(link)):
        look = ["nsenter", f"--net={link}", "readlink", "/proc/self/ns/net"]
        for _ in range(2):
            assert subprocess.check_output(look, text=True).strip() == namespace
            other.kill()
            other.wait()
    assert not os.path.lexists(link)
    assert descriptors() == before


@pytest.mark.real
def test_what_has_ended_or_has_the_number_of_another_leads_nowhere(
    other: subprocess.Popen[str], tmp_path: Path
) -> None:
    link, began, before = tmp_path / "netns", start_time(other), descriptors()
    with pytest.raises(NetworkGone), NETWORKS.hold(other.pid, began - 1, str(link)):
        pass
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie
    with pytest.raises(NetworkGone), NETWORKS.hold(other.pid, began, str(link)):
        pass
    assert not os.path.lexists(link)
    assert descriptors() == before


def test_where_no_link_can_be_made_it_says_so(tmp_path: Path) -> None:
    began, before = read_start_time(os.getpid()), descriptors()
    assert began is not None
    with (
        pytest.raises(OutsideError, match=f"cannot join the network of the process {os.getpid()}: No such file"),
        NETWORKS.hold(os.getpid(), began, str(tmp_path / "gone/netns")),
    ):
        pass
    assert descriptors() == before


def test_what_fails_inside_is_not_its_own(tmp_path: Path) -> None:
    began = read_start_time(os.getpid())
    assert began is not None
    link = tmp_path / "netns"
    with pytest.raises(FileNotFoundError), NETWORKS.hold(os.getpid(), began, str(link)):
        raise FileNotFoundError
    assert not os.path.lexists(link)
