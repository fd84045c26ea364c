"""What the doctor sees of a host and of an agent. That it leaves nothing is tried in tests/host."""

import os
import resource
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.model.checkup import NetworksFound
from orchestrator.model.layout import Layout
from orchestrator.model.state import AgentState
from orchestrator.system import doctor, doctor_host, doctor_networks
from orchestrator.system.collapse import can_collapse
from orchestrator.system.disk import HostDisk
from orchestrator.system.doctor import look_around, look_at_agent
from orchestrator.system.doctor_networks import BRIDGE_PLUGINS, look_at_networks
from orchestrator.system.facts import ProfileUnusable
from orchestrator.system.inotify import Inotify, Mask
from orchestrator.system.mountinfo import read_mounts
from orchestrator.system.process import tells_exits
from orchestrator.system.procstat import read_start_time
from orchestrator.system.statfs import is_on_tmpfs


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(f"{tmp_path}/state", f"{tmp_path}/run")


@pytest.fixture
def written(layout: Layout) -> AgentState:
    """The file of an agent that lives: this process."""
    agent = AgentState(
        pid=os.getpid(),
        pid_start_time=read_start_time(os.getpid()) or 0,
        version="1",
        started_at=1.0,
        config="/etc/orchestrator",
        state=layout.state,
        runtime="/usr/bin/runc",
        runtime_name="runc",
    )
    disk = HostDisk(layout)
    disk.make_folders()
    disk.write_agent(agent)
    return agent


@contextmanager
def answering(layout: Layout, answer: bytes) -> Iterator[None]:
    """Somebody who listens, and answers one client."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor() as pool:
        listener.bind(layout.control)
        listener.listen()
        served = pool.submit(serve)
        yield
        served.result()


def test_where_no_agent_ever_ran(layout: Layout) -> None:
    found = look_at_agent(layout)
    assert (found.pid, found.unreadable, found.run) == (None, "", layout.run)


def test_an_agent_that_answers(layout: Layout, written: AgentState) -> None:
    with answering(layout, b"HTTP/1.1 200 \r\n\r\n"):
        found = look_at_agent(layout)
    assert (found.pid, found.version, found.refusal, found.control) == (os.getpid(), "1", "", layout.control)


def test_an_agent_that_hangs(layout: Layout, written: AgentState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ANSWER_DEADLINE", 0.05)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(layout.control)
        listener.listen()
        found = look_at_agent(layout)
    assert (found.pid, found.refusal, found.denied) == (os.getpid(), "timed out", False)


def test_an_agent_that_hangs_up(layout: Layout, written: AgentState) -> None:
    with answering(layout, b""):
        assert look_at_agent(layout).refusal == "it hung up"


def test_a_socket_that_nobody_listens_on(layout: Layout, written: AgentState) -> None:
    assert look_at_agent(layout).refusal == "no such file or directory"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(layout.control)
    found = look_at_agent(layout)
    assert found.refusal == "connection refused"
    assert not found.denied


def test_the_file_of_an_agent_that_is_gone(layout: Layout, written: AgentState) -> None:
    path = Path(layout.agent)
    text = path.read_text()
    start_time = f'"pid_start_time":{written.pid_start_time},'
    assert start_time in text
    path.write_text(text.replace(start_time, '"pid_start_time":1,'))
    assert look_at_agent(layout).pid is None


def test_a_damaged_file_of_an_agent(layout: Layout, written: AgentState) -> None:
    Path(layout.agent).write_text("{")
    found = look_at_agent(layout)
    assert found.pid is None
    assert "the state file is damaged" in found.unreadable


def test_inotify_instances_and_watches_are_counted(tmp_path: Path) -> None:
    before = doctor_host.look_at_inotify()
    inotify = Inotify()
    try:
        inotify.add(str(tmp_path), Mask.CREATE)
        during = doctor_host.look_at_inotify()
    finally:
        inotify.close()
    assert during.most_instances == int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    assert during.most_watches == int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())
    assert before.instances is not None
    assert before.watches is not None
    assert during.instances is not None
    assert during.watches is not None
    # Others of this user may come and go meanwhile, but this one is among them.
    assert during.instances >= 1
    assert during.watches >= 1


def test_the_limit_of_descriptors_is_that_of_the_agent() -> None:
    assert doctor_host.look_at_open_files(None) == resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert doctor_host.look_at_open_files(os.getpid()) == resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    gone = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    assert doctor_host.look_at_open_files(gone) == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_a_directory_that_is_missing_is_asked_of_the_one_above(tmp_path: Path) -> None:
    found = doctor_host.look_at_folder(f"{tmp_path}/a/b", collapses=True)
    assert (found.path, found.asked) == (f"{tmp_path}/a/b", str(tmp_path))
    assert found.collapses is can_collapse(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_memory_and_what_collapses() -> None:
    """tmpfs punches holes; every file system of a Linux that is booted has one mounted."""
    points = [mount.point for mount in read_mounts() if mount.kind == "tmpfs" and os.access(mount.point, os.W_OK)]
    assert points, "no tmpfs is mounted: mount -t tmpfs tmpfs /dev/shm"
    assert is_on_tmpfs(points[0])
    assert not can_collapse(points[0])
    assert not is_on_tmpfs("/proc")
    with pytest.raises(OSError, match=r"\["):
        can_collapse("/proc")


def test_cni_plugins_are_programs(tmp_path: Path) -> None:
    environ = {"CNI_PATH": f"{tmp_path}/none:relative:{tmp_path}"}
    found = look_at_networks(environ, root=False)
    assert found.looked == (f"{tmp_path}/none", str(tmp_path))
    assert (found.folders, found.missing_plugins, found.lacking) == ((), BRIDGE_PLUGINS, None)
    (tmp_path / "README").write_text("")
    (tmp_path / "bridge").write_text("")
    (tmp_path / "bridge").chmod(0o755)
    found = look_at_networks(environ, root=False)
    assert (found.folders, found.missing_plugins) == (((str(tmp_path), 1),), BRIDGE_PLUGINS[1:])


@pytest.mark.real
def test_the_kernel_is_tried_where_nobody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look_at_networks({}, root=True) == NetworksFound(
        looked=doctor_networks.CNI_FOLDERS, folders=look_at_networks({}, root=False).folders, lacking=()
    )
    monkeypatch.setattr(doctor_networks, "TRIALS", {"bridges": "true", "flying carpets": "ip link add o0 type carpet"})
    assert look_at_networks({}, root=True).lacking == ("flying carpets",)


def test_the_unit_is_found_where_systemd_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_host, "UNIT_FOLDERS", (f"{tmp_path}/none", str(tmp_path)))
    assert doctor_host.find_unit() is None
    (tmp_path / "orchestrator.service").write_text("")
    assert doctor_host.find_unit() == f"{tmp_path}/orchestrator.service"


def test_the_profile_that_is_used_is_the_first_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_host, "SECCOMP_PROFILES", (f"{tmp_path}/one", f"{tmp_path}/two"))
    assert doctor_host.look_at_profile() is None
    (tmp_path / "two").write_text('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}')
    assert doctor_host.look_at_profile() == f"{tmp_path}/two"
    (tmp_path / "one").write_text("{")
    with pytest.raises(ProfileUnusable, match="one"):
        doctor_host.look_at_profile()


def test_the_kernel_is_asked() -> None:
    found = doctor_host.look_at_kernel()
    assert found.release == os.uname().release
    assert found.pidfds
    assert found.missing_namespaces == ()
    assert found.exit_info is tells_exits()
    # As the notes of Linux 6.15 have it.
    assert found.exit_info is (found.version >= (6, 15))


def test_without_root_no_runtime_is_tried(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    checkup = look_around(layout, "/no/such/runtime", "1")
    assert not checkup.root
    assert checkup.trials[0].name == "/no/such/runtime"
    assert checkup.trials[0].command is None
    assert [trial.name for trial in checkup.trials[1:]] == ["crun", "runc", "youki"]
    assert not any(trial.tried for trial in checkup.trials)
