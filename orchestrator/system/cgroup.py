"""The control groups of an instance, in every hierarchy that is mounted: cgroups(7), v1, v2 and both together.

The runtime makes them; here they are read, emptied and removed, also where a killed runtime left them. A path is what
``linux.cgroupsPath`` of the runtime-spec says: absolute, below the mount point of each hierarchy. Floor: system.
"""

import contextlib
import errno
import os
import signal
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import trio

from orchestrator.ports import OutsideError
from orchestrator.system.hierarchies import (
    CgroupUnreadable,
    Hierarchy,
    find_controller,
    read_field,
    read_hierarchies,
    read_words,
    reading,
)

REMOVE_DEADLINE = 5.0
"""Seconds that the kernel may take to let go of a group whose processes have been killed."""

_KILL_ROUNDS = 100
_FREEZE_AFTER = 3


class CgroupBusy(OutsideError):
    """A control group could not be removed or emptied."""


class Cgroups:
    """All hierarchies of this host, as one.

    Every method raises CgroupUnreadable where the kernel does not let it look, and more where it says so; a group that
    is not there is empty, and removed already.
    """

    def __init__(self, hierarchies: tuple[Hierarchy, ...] | None = None) -> None:
        """hierarchies: those of this process's mount namespace unless given."""
        self.hierarchies = read_hierarchies() if hierarchies is None else hierarchies

    def exists(self, path: str) -> bool:
        """Whether any hierarchy has it."""
        with reading(f"cgroup {path}"):
            return any(folder.is_dir() for folder in self._folders(path))

    def pids(self, path: str) -> frozenset[int]:
        """The processes in it and in what the container made below it. Zombies are not among them."""
        with reading(f"cgroup {path}"):
            return frozenset(
                pid for folder in self._folders(path) for group in _walk(folder) for pid in _read_pids(group)
            )

    def kill_all(self, path: str) -> None:
        """SIGKILL to every process in it. They end soon after; `pids` tells when.

        On v2 the kernel does it at once (cgroup.kill, Linux 5.14); else all are signalled again and again until no
        new one has appeared. What forks faster than that is frozen first. Raises CgroupBusy if that does not help.
        """
        for hierarchy in self.hierarchies:
            if hierarchy.version == 2:
                with contextlib.suppress(OSError):
                    _put(Path(hierarchy.mount_point + path, "cgroup.kill"), "1")
        signalled: set[int] = set()
        for count in range(_KILL_ROUNDS):
            if not (new := self.pids(path) - signalled):
                break
            if count == _FREEZE_AFTER:
                self._freeze(path, "FROZEN")
            for pid in new:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                except OSError as error:
                    raise CgroupBusy(f"cannot kill process {pid} of cgroup {path}: {error.strerror}") from error
            signalled |= new
        else:
            self._freeze(path, "THAWED")
            raise CgroupBusy(f"cannot kill all of cgroup {path}: it forks faster than it can be killed")
        # Also where it was not frozen here: a frozen process does not die, and what froze it may be gone.
        if signalled:
            self._freeze(path, "THAWED")

    async def remove(self, path: str) -> None:
        """Remove it, and all below it, in every hierarchy; idempotent.

        The kernel lets go of a group a moment after its last process ended, so a refusal is tried again until
        REMOVE_DEADLINE. Raises CgroupBusy.
        """
        deadline = trio.current_time() + REMOVE_DEADLINE
        pause = 0.0005
        while failure := self._try_remove(path):
            if trio.current_time() >= deadline:
                held_by = " ".join(str(pid) for pid in sorted(self.pids(path))) or "none"
                raise CgroupBusy(f"cannot remove cgroup {failure.filename}: {failure.strerror} (processes: {held_by})")
            await trio.sleep(pause)
            pause = min(pause * 2, 0.05)

    def remove_parent(self, path: str) -> None:
        """Remove the group above it where nothing else is in it.

        Not to be called while a runtime may be making another group below the same parent: it would find it gone.
        """
        parent = os.path.dirname(path)
        if parent == "/":
            return
        for folder in self._folders(parent):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def count_oom_kills(self, path: str) -> int:
        """How often the kernel killed in it for want of memory; 0 where it cannot be told. Raises nothing."""
        try:
            hierarchy = self._memory_hierarchy
            if hierarchy is None:
                return 0
            folder = Path(hierarchy.mount_point + path)
            if hierarchy.version == 2:  # counts what is below it too
                return read_field(folder / "memory.events", "oom_kill") or 0
            return sum(read_field(group / "memory.oom_control", "oom_kill") or 0 for group in _walk(folder))
        except (OSError, CgroupUnreadable):
            return 0

    @cached_property
    def _memory_hierarchy(self) -> Hierarchy | None:
        return find_controller(self.hierarchies, "memory")

    def _folders(self, path: str) -> Iterator[Path]:
        if not path.startswith("/") or path == "/":
            raise ValueError(f"a cgroup path is absolute and not the root: {path!r}")
        for hierarchy in self.hierarchies:
            yield Path(hierarchy.mount_point + path)

    def _freeze(self, path: str, state: str) -> None:
        """The freezer of v1: what is frozen cannot fork, and dies once it is thawed."""
        for hierarchy in self.hierarchies:
            if "freezer" in hierarchy.controllers:
                with contextlib.suppress(OSError):
                    _put(Path(hierarchy.mount_point + path, "freezer.state"), state)

    def _try_remove(self, path: str) -> OSError | None:
        failure = None
        with reading(f"cgroup {path}"):
            groups = [group for folder in self._folders(path) for group in _walk(folder)]
        for group in groups:
            try:
                group.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                    raise CgroupBusy(f"cannot remove cgroup {group}: {error.strerror}") from error
                failure = error
        return failure


def _walk(folder: Path) -> Iterator[Path]:
    """The groups below a group, innermost first, then itself; nothing where there is none. Raises OSError: a group
    that could not be looked at must not pass for one that is gone."""
    for parent, _, _ in os.walk(folder, topdown=False, onerror=_raise_unless_gone):
        yield Path(parent)


def _raise_unless_gone(error: OSError) -> None:
    if error.errno not in (errno.ENOENT, errno.ENODEV):
        raise error


def _put(file: Path, text: str) -> None:
    """Write to a control file, which the kernel must have made: never make one."""
    descriptor = os.open(file, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _read_pids(group: Path) -> list[int]:
    """Its processes; a 0 stands for one of another pid namespace, which cannot be reached."""
    return [int(word) for word in read_words(group / "cgroup.procs") if word != "0"]
