"""Reading the state files back, and telling the living from the dead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from orchestrator.model.layout import Layout
from orchestrator.model.state import AgentState, NameState, PublicState
from orchestrator.ports import DiskFailed
from orchestrator.system.disk import HostDisk
from orchestrator.system.states import (
    DamagedFile,
    find_living,
    is_alive,
    read_agent,
    read_held,
    read_instances,
    read_names,
    read_origin,
    read_start_time,
)
from tests.system.helpers_disk import make_bundle, make_instance, make_instance_state, mode_of


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(state=f"{tmp_path}/state", run=f"{tmp_path}/run")


def name_state(name: str, pid: int | None = None, start: int | None = None) -> NameState:
    return NameState(name=name, state=PublicState.RUNNING, since=1.0, pid=pid, pid_start_time=start)


def test_where_nothing_was_written_there_is_nothing(layout: Layout) -> None:
    assert read_names(layout).states == ()
    assert read_instances(layout).states == ()
    assert read_agent(layout) is None
    assert read_held(layout) == frozenset()


def test_what_an_operator_has_stopped(layout: Layout) -> None:
    disk = HostDisk(layout)
    disk.hold("web")
    disk.hold("db")
    Path(f"{layout.held}/.new").touch()
    assert read_held(layout) == {"web", "db"}
    disk.release("db")
    assert read_held(layout) == {"web"} == disk.list_held()
    # A run directory on a disk outlives a boot.
    Path(f"{layout.held}/web").write_text("the boot before")
    assert read_held(layout) == set()


def test_what_was_written_is_read(layout: Layout) -> None:
    disk = HostDisk(layout)
    for name in ("b", "a"):
        disk.write_name(name_state(name))
    instance = make_instance_state(layout, "a-1")
    disk.write_instance(instance)
    os.mkdir(layout.instance("a-1"))
    agent = AgentState(
        pid=1, pid_start_time=2, version="1", started_at=3.0, config="/c", state="/s", runtime="/r", runtime_name="runc"
    )
    disk.write_agent(agent)
    assert [state.name for state in read_names(layout).states] == ["a", "b"]
    assert read_instances(layout).states == (instance,)
    assert read_agent(layout) == agent


def test_a_damaged_file_is_a_value_and_the_rest_is_read(layout: Layout) -> None:
    disk = HostDisk(layout)
    disk.write_name(name_state("good"))
    for name, data in {"empty": b"", "bytes": b"\xff", "old": b'{"schema": 0}'}.items():
        Path(layout.name_state(name)).write_bytes(data)
    os.mkdir(layout.name_state("folder"))
    Path(layout.name_state("moved")).write_bytes(Path(layout.name_state("good")).read_bytes())
    Path(f"{layout.names}/.good.json.tmp").write_bytes(b"half")
    reading = read_names(layout)
    assert [state.name for state in reading.states] == ["good"]
    assert {file.name: file.reason.partition(":")[0] for file in reading.damaged} == {
        "bytes": "it is not UTF-8",
        "empty": "it is not JSON",
        "folder": "it is a folder",
        "moved": 'it is that of "good"',
        "old": "its schema version is 0, known is 1",
    }
    assert str(reading.damaged[0]) == f"{layout.name_state('bytes')}: the state file is damaged: it is not UTF-8"


def test_a_damaged_file_of_the_agent_is_a_value(layout: Layout) -> None:
    HostDisk(layout).make_folders()
    Path(layout.agent).write_text("[]")
    assert read_agent(layout) == DamagedFile("agent", layout.agent, "it is not a JSON object but []")


def test_an_instance_has_a_second_copy_of_its_beginning(layout: Layout) -> None:
    disk, state = HostDisk(layout), make_instance_state(layout)
    disk.make_folders()
    with pytest.raises(DiskFailed, match=f"^cannot write {layout.origin('web-1')}: No such file or directory$"):
        disk.keep_origin(state)
    disk.prepare_instance(make_instance(layout, make_bundle()))
    disk.keep_origin(state)
    assert mode_of(layout.origin("web-1")) == 0o600
    assert read_origin(layout, "web-1") == state
    disk.write_instance(evolve(state, pid=7))
    assert read_origin(layout, "web-1") == state, "it is that of the beginning"
    disk.remove_instance("web-1")
    assert read_origin(layout, "web-1") is None


@pytest.mark.parametrize("text", ["", "nonsense", "{}", '{"schema": 2}'])
def test_a_second_copy_that_is_damaged_is_none(layout: Layout, text: str) -> None:
    disk = HostDisk(layout)
    disk.prepare_instance(make_instance(layout, make_bundle()))
    Path(layout.origin("web-1")).write_text(text)
    assert read_origin(layout, "web-1") is None
    disk.write_instance(make_instance_state(layout))
    os.replace(layout.instance_state("web-1"), layout.origin("web-1"))
    assert read_origin(layout, "web-1") is not None
    os.rename(layout.instance("web-1"), layout.instance("web-2"))
    assert read_origin(layout, "web-2") is None, "it is another's"


def test_a_folder_that_cannot_be_read_is_one_clear_line(layout: Layout) -> None:
    os.mkdir(layout.run)
    Path(layout.names).write_text("no folder")
    with pytest.raises(DiskFailed, match=f"^cannot read the state files in {layout.names}: Not a directory$"):
        read_names(layout)


def test_a_process_is_known_by_pid_and_start_time() -> None:
    start = read_start_time(os.getpid())
    assert start is not None
    assert is_alive(os.getpid(), start)
    assert not is_alive(os.getpid(), start + 1)


def test_a_zombie_and_what_is_gone_do_not_live() -> None:
    # The name in /proc/PID/stat has spaces and brackets: it must not shift the fields.
    code = "import sys; open('/proc/self/comm', 'w').write('a) Z (b'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        start = read_start_time(child.pid)
        assert start is not None
        living = name_state("living", child.pid, start)
        other = name_state("other", child.pid, start - 1)
        assert find_living([living, other, name_state("none")]) == {"living"}
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert read_start_time(child.pid) == start
        assert find_living([living]) == frozenset()
    assert read_start_time(child.pid) is None
