"""What containers may leave behind on a host, and the files of an agent: looked at from outside, without the agent."""

import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from orchestrator.model.layout import Layout
from orchestrator.system.states import read_start_time

CGROUPS = Path("/sys/fs/cgroup")
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def find_cgroups(path: str) -> list[Path]:
    """The folders of a control group, ``path`` below the mount point, in every hierarchy."""
    folders = [CGROUPS, *(folder for folder in CGROUPS.iterdir() if folder.is_dir())]
    return [Path(f"{folder}{path}") for folder in folders if Path(f"{folder}{path}").is_dir()]


def clear_cgroups(layout: Layout) -> None:
    """Kill what a failed test has left of an agent's containers, and remove their control groups."""
    for folder in find_cgroups(layout.cgroup_root):
        clear_cgroup(folder)


def clear_cgroup(folder: Path) -> None:
    """Kill what is in a control group or below it, and remove it."""
    groups = [Path(parent) for parent, _, _ in os.walk(folder, topdown=False)]
    for group in groups:
        for _ in range(200):
            pids = (group / "cgroup.procs").read_text().split()
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            with suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.01)


def list_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def list_children(pid: int) -> list[int]:
    """The children of a process, zombies among them."""
    children = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            children += [int(child) for child in (task / "children").read_text().split()]
    return children


def read_process_state(pid: int) -> str | None:
    """The letter of proc_pid_stat(5), ``Z`` for a zombie; None where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_running(pid: int, start_time: int | None) -> bool:
    """Whether the process that began then lives, and is no zombie."""
    return read_start_time(pid) == start_time and read_process_state(pid) not in (None, "Z", "X")


def namespaces_of(pid: int) -> set[str]:
    """The namespaces of a process, as ``net:[4026531840]``; none where it is gone."""
    found = set()
    for kind in NAMESPACES:
        with suppress(OSError):
            found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
    return found


def find_members(namespaces: Collection[str], layout: Layout) -> dict[int, set[str]]:
    """The processes that are in any of these namespaces, of an agent's containers that have ended, by pid.

    The kernel gives the number of a namespace again once that is gone, at once. So a process does not count that is in
    a control group of somebody else's container, nor the mount namespace alone, as unshare(1) makes it.
    """
    ours = Path("/proc/self/cgroup").read_text()
    found = {}
    for pid in list_pids():
        shared = {each for each in namespaces_of(pid) & set(namespaces) if not each.startswith("mnt:")}
        with suppress(FileNotFoundError, ProcessLookupError):
            groups = Path(f"/proc/{pid}/cgroup").read_text()
            if shared and (groups == ours or f"{layout.cgroup_root}/" in groups):
                found[pid] = shared
    return found


def read_mounts(pid: int | str) -> list[str]:
    """The mounts that a process sees, proc_pid_mountinfo(5)."""
    return sorted(Path(f"/proc/{pid}/mountinfo").read_text().splitlines())


def find_processes(layout: Layout, ids: Collection[str]) -> dict[int, str]:
    """The processes that have to do with an agent's containers, by pid: in its control groups, or with an id or one of
    its directories on their command line. Zombies are their parent's business, which after an agent that was killed is
    process 1."""
    words = [*ids, layout.run, layout.state]
    found = {}
    for pid in list_pids():
        with suppress(FileNotFoundError, ProcessLookupError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            groups = Path(f"/proc/{pid}/cgroup").read_text()
            ours = f"{layout.cgroup_root}/" in groups or any(word in command for word in words)
            if ours and read_process_state(pid) not in (None, "Z", "X"):
                found[pid] = command
    return found


def list_files(layout: Layout) -> list[str]:
    """All files and folders in an agent's two directories, with their directory's name before them."""

    def walk() -> Iterator[str]:
        for directory in (layout.state, layout.run):
            for parent, folders, files in os.walk(directory):
                yield from (os.path.relpath(f"{parent}/{name}", os.path.dirname(directory)) for name in folders + files)

    return sorted(walk())


def list_descriptors(pid: int) -> list[str]:
    """What a process has open, without the numbers."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return sorted(found)


def memory_limits(cgroup: str) -> set[int | None]:
    """What the kernel holds as the limits of memory, and of memory with swap where it counts that; None is no limit."""
    limits: set[int | None] = set()
    for folder in find_cgroups(cgroup):
        for name in ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max"):
            with suppress(FileNotFoundError):
                text = (folder / name).read_text().strip()
                limits.add(None if text == "max" or int(text) >= 1 << 62 else int(text))
    return limits


def counts_swap(cgroup: str) -> bool:
    """Whether the kernel has a limit of memory and swap together: version 2 has one of swap alone."""
    return any((folder / "memory.memsw.limit_in_bytes").exists() for folder in find_cgroups(cgroup))


def read_limit(cgroup: str, *names: str) -> str:
    """What the file of that name holds for a control group; of several names the one that there is."""
    found = [folder / name for folder in find_cgroups(cgroup) for name in names if (folder / name).exists()]
    assert len(found) == 1, found
    return found[0].read_text().strip()


def make_busybox_root(folder: Path, busybox: str) -> Path:
    """A root file system of one static program, with a user of its own."""
    for name in ("bin", "etc", "tmp", "data"):
        (folder / name).mkdir(parents=True)
    (folder / "bin/busybox").write_bytes(Path(busybox).read_bytes())
    (folder / "bin/busybox").chmod(0o755)
    for name in ("cat", "echo", "env", "id", "ls", "pwd", "sh", "sleep", "touch", "true"):
        (folder / "bin" / name).symlink_to("busybox")
    (folder / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/data:/bin/sh\n")
    (folder / "etc/group").write_text("root:x:0:\napp:x:1001:\ndisk:x:2000:root,app\ntape:x:2001:app\n")
    (folder / "tmp").chmod(0o1777)
    return folder
