"""What `orchestrator doctor` sees of the host without changing it: kernel, limits, folders. Nothing is judged here.

The functions block, if at all, as long as a file system does. Floor: system.
"""

import contextlib
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

from orchestrator.model.checkup import CgroupsFound, FolderFound, InotifyFound, KernelFound
from orchestrator.system.collapse import can_collapse
from orchestrator.system.controllers import find_controllers, limiting_hierarchies
from orchestrator.system.facts import SECCOMP_PROFILES, probe_host, read_kernel_version
from orchestrator.system.hierarchies import read_hierarchies
from orchestrator.system.process import tells_exits
from orchestrator.system.statfs import is_on_tmpfs

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
"""Those that every container gets, as /proc/PID/ns has them (namespaces(7))."""

UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)
"""Where systemd.unit(5) looks, of the folders that an administrator or a package writes to."""

UNIT = "orchestrator.service"


def look_at_cgroups() -> CgroupsFound:
    """Raises CgroupUnreadable."""
    hierarchies = read_hierarchies()
    limiting = limiting_hierarchies(hierarchies)
    return CgroupsFound(
        versions=frozenset(hierarchy.version for hierarchy in hierarchies),
        controllers=find_controllers(hierarchies),
        read_only=tuple(each.mount_point for each in limiting if not os.access(each.mount_point, os.W_OK)),
    )


def look_at_kernel() -> KernelFound:
    """What the running kernel has of what the agent uses, and of what it may use one day."""
    release = os.uname().release
    return KernelFound(
        release=release,
        version=read_kernel_version(release),
        pidfds=_opens_pidfds(),
        exit_info=tells_exits(),
        seccomp=os.path.exists("/proc/sys/kernel/seccomp/actions_avail"),
        overlayfs=_has_overlayfs(release),
        missing_namespaces=tuple(name for name in NAMESPACES if not os.path.exists(f"/proc/self/ns/{name}")),
    )


def _opens_pidfds() -> bool:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def _has_overlayfs(release: str) -> bool:
    """Whether the kernel has it, or a module that it loads when it is mounted."""
    names = {"/proc/filesystems": "\toverlay\n", f"/lib/modules/{release}/modules.dep": "/overlay.ko"}
    names[f"/lib/modules/{release}/modules.builtin"] = "/overlay.ko"
    return any(name in _read(file) for file, name in names.items())


def look_at_inotify() -> InotifyFound:
    """The limits, and what all processes of this user that may be looked at have of them (proc_pid_fdinfo(5))."""
    instances = watches = 0
    for descriptor in _list_inotify():
        instances += 1
        watches += _read(descriptor).count("inotify wd:")
    return InotifyFound(
        most_instances=_read_number("/proc/sys/fs/inotify/max_user_instances"),
        most_watches=_read_number("/proc/sys/fs/inotify/max_user_watches"),
        instances=instances,
        watches=watches,
    )


def _list_inotify() -> Iterator[str]:
    """The fdinfo file of each inotify instance of this user's processes."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended, or is not ours to look at
            if os.stat(f"/proc/{process}").st_uid != os.geteuid():
                continue
            for number in os.listdir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{process}/fd/{number}") == "anon_inode:inotify":
                        yield f"/proc/{process}/fdinfo/{number}"


def look_at_open_files(pid: int | None) -> int:
    """The most descriptors that process ``pid``, the agent, may give itself, or this one where there is none or it may
    not be asked; -1 for any number."""
    if pid is not None:
        with contextlib.suppress(OSError):
            return resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def look_at_profile() -> str | None:
    """The file of the seccomp profile that containers get by default; None for the built-in list. Raises
    ProfileUnusable, CgroupUnreadable."""
    for path in SECCOMP_PROFILES:
        if probe_host(profiles=(path,)).seccomp_profile is not None:
            return path
    return None


def look_at_folder(path: str, *, collapses: bool = False) -> FolderFound:
    """The file system of a directory, or of the one above that is there. collapses: try that too."""
    asked = path
    while not os.path.isdir(asked):
        asked = os.path.dirname(asked)
    can: bool | None = None
    if collapses:
        with contextlib.suppress(OSError):
            can = can_collapse(asked)
    return FolderFound(path=path, asked=asked, tmpfs=is_on_tmpfs(asked), collapses=can)


def find_unit() -> str | None:
    """The file of the agent's unit."""
    files = (f"{folder}/{UNIT}" for folder in UNIT_FOLDERS)
    return next((file for file in files if os.path.isfile(file)), None)


def is_socket(path: str) -> bool:
    """Whether a socket stands there."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _read(file: str) -> str:
    try:
        return Path(file).read_text(errors="replace")
    except OSError:
        return ""


def _read_number(file: str) -> int | None:
    text = _read(file).strip()
    return int(text) if text.isdigit() else None
