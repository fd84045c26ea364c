"""Control groups: what /proc/self/mountinfo says of them, made-up v2 files, and the real ones of this machine."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from orchestrator.system.cgroup import CgroupBusy, Cgroups
from orchestrator.system.hierarchies import Hierarchy, find_hierarchies
from orchestrator.system.mountinfo import parse_mounts

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime shared:4 - cgroup2 cgroup2 rw
42 27 0:29 / /elsewhere rw,relatime - cgroup cgroup rw,cpu,cpuacct
"""


def test_the_hierarchies_of_a_hybrid_host() -> None:
    cpu, systemd, unified = find_hierarchies(parse_mounts(HYBRID.encode()))
    assert (cpu.version, cpu.mount_point) == (1, "/sys/fs/cgroup/cpu,cpuacct")
    assert {"cpu", "cpuacct"} <= cpu.controllers
    assert "name=systemd" in systemd.controllers
    assert unified == Hierarchy(2, "/sys/fs/cgroup/uni fied", frozenset())
    assert find_hierarchies(()) == ()


def make_v2(mount: Path, **files: str) -> Cgroups:
    """A folder that looks like a v2 hierarchy with one group, /a/b."""
    group = mount / "a" / "b"
    group.mkdir(parents=True)
    (mount / "cgroup.controllers").write_text("cpu memory pids\n")
    for name, text in files.items():
        (group / name.replace("_", ".", 1)).write_text(text)
    return Cgroups((Hierarchy(2, str(mount), frozenset()),))


def test_oom_kills_of_v2(tmp_path: Path) -> None:
    cgroups = make_v2(tmp_path, memory_events="low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 0\n")
    assert cgroups.count_oom_kills("/a/b") == 3
    assert cgroups.count_oom_kills("/a/gone") == 0


def test_kill_of_v2_is_the_kernels(tmp_path: Path) -> None:
    cgroups = make_v2(tmp_path, cgroup_kill="", cgroup_procs="")
    cgroups.kill_all("/a/b")
    assert (tmp_path / "a/b/cgroup.kill").read_text() == "1"
    cgroups.kill_all("/a/gone")
    assert not (tmp_path / "a/gone").exists()


def test_a_host_without_control_groups() -> None:
    cgroups = Cgroups(())
    assert cgroups.count_oom_kills("/x") == 0
    assert cgroups.pids("/x") == frozenset()


@pytest.mark.parametrize("path", ["/", "relative", ""])
def test_the_root_group_is_never_touched(path: str) -> None:
    with pytest.raises(ValueError, match="absolute and not the root"):
        Cgroups().kill_all(path)


class Group:
    """A group of this test in every real hierarchy, and the processes in it."""

    def __init__(self, cgroups: Cgroups) -> None:
        self.cgroups = cgroups
        self.path = f"/orchestrator-cgroup-test-{os.getpid()}/group"
        self.processes: list[subprocess.Popen[bytes]] = []
        for hierarchy in cgroups.hierarchies:
            Path(hierarchy.mount_point + self.path, "inner").mkdir(parents=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                if "cpuset" in hierarchy.controllers:
                    self._inherit(hierarchy, name)

    def _inherit(self, hierarchy: Hierarchy, name: str) -> None:
        """A cpuset of v1 takes no process before it has processors and memory nodes."""
        text = Path(hierarchy.mount_point, name).read_text()
        for part in (os.path.dirname(self.path), self.path, f"{self.path}/inner"):
            Path(hierarchy.mount_point + part, name).write_text(text)

    def add(self, script: str, below: str = "") -> None:
        # The shell waits until it has been moved.
        process = subprocess.Popen(["/bin/sh", "-c", f"read line; {script}"], stdin=subprocess.PIPE)
        self.processes.append(process)
        for hierarchy in self.cgroups.hierarchies:
            Path(hierarchy.mount_point + self.path + below, "cgroup.procs").write_text(str(process.pid))
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def group() -> Iterator[Group]:
    group = Group(Cgroups())
    yield group
    group.cgroups.kill_all(group.path)
    for process in group.processes:
        process.wait()
    assert not group.cgroups.exists(os.path.dirname(group.path))


@pytest.mark.real
async def test_all_of_a_group_is_killed_and_removed_in_every_hierarchy(group: Group) -> None:
    group.add("sleep 1000 & sleep 1000 & wait")
    group.add("sleep 1000", below="/inner")
    pids = group.cgroups.pids(group.path)
    assert {process.pid for process in group.processes} <= pids
    group.cgroups.kill_all(group.path)
    for process in group.processes:
        assert process.wait() == -signal.SIGKILL
    await group.cgroups.remove(group.path)
    await group.cgroups.remove(group.path)
    group.cgroups.remove_parent(group.path)


@pytest.mark.real
async def test_what_forks_without_end_is_killed(group: Group) -> None:
    pids = next(h for h in group.cgroups.hierarchies if "pids" in h.controllers or h.version == 2)
    Path(pids.mount_point + group.path, "pids.max").write_text("60")  # noqa: ASYNC240 - a test may block
    # Every process makes another and ends: each round of signals comes too late for most.
    group.add("f() { f & exit; }; for i in 1 2 3 4 5 6 7 8; do f & done 2>/dev/null; wait")
    await trio.sleep(0.05)
    group.cgroups.kill_all(group.path)
    with trio.fail_after(10):
        while group.cgroups.pids(group.path):  # noqa: ASYNC110 - a group has no event that fits
            await trio.sleep(0.005)
    await group.cgroups.remove(group.path)
    group.cgroups.remove_parent(group.path)


@pytest.mark.real
async def test_a_group_that_stays_busy_is_named_with_its_processes(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.system.cgroup.REMOVE_DEADLINE", 0.05)
    group.add("sleep 1000")
    with pytest.raises(CgroupBusy, match=rf"cannot remove cgroup /\S+{group.path}: .*{group.processes[0].pid}"):
        await group.cgroups.remove(group.path)
    group.cgroups.kill_all(group.path)
    group.processes[0].wait()
    await group.cgroups.remove(group.path)
    group.cgroups.remove_parent(group.path)
