"""The hierarchies of control groups that are mounted, and their files: cgroups(7), v1, v2 and both together.

What is done with the groups in them is left to `orchestrator.system.cgroup`, what they hold to `held` and `usage`
beside it. Without trio, so that commands that only read are quick. Floor: system.
"""

import contextlib
import errno
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

from orchestrator.ports import OutsideError
from orchestrator.system.mountinfo import MountLine, read_mounts

_UNLIMITED = 1 << 62
"""cgroup v1 writes "no limit" of bytes as a number near 2**63."""


class CgroupUnreadable(OutsideError):
    """What a control group holds could not be read."""


@frozen
class Hierarchy:
    """One mounted hierarchy: ``version`` 1 with its controllers (or its name as ``name=systemd``), or 2."""

    version: int
    mount_point: str
    controllers: frozenset[str]

    def folder(self, path: str) -> Path:
        """Where the group ``path``, absolute, is in it."""
        return Path(self.mount_point + path)


def find_hierarchies(mounts: Iterable[MountLine]) -> tuple[Hierarchy, ...]:
    """The hierarchies among these mounts; each once, at its first mount point."""
    found: dict[str, Hierarchy] = {}
    for mount in mounts:
        if mount.kind == "cgroup2":
            found.setdefault(mount.device, Hierarchy(2, mount.point, frozenset()))
        elif mount.kind == "cgroup":
            found.setdefault(mount.device, Hierarchy(1, mount.point, frozenset(mount.super_options)))
    return tuple(found.values())


def read_hierarchies() -> tuple[Hierarchy, ...]:
    """Those of this process's mount namespace. Raises CgroupUnreadable without /proc."""
    with reading("/proc/self/mountinfo"):
        return find_hierarchies(read_mounts())


def find_controller(hierarchies: Iterable[Hierarchy], name: str) -> Hierarchy | None:
    """The hierarchy that a controller belongs to, which is one at most: v2 has what v1 has not taken. None where the
    kernel has it not, or not mounted. Raises CgroupUnreadable."""
    every = tuple(hierarchies)
    for hierarchy in every:
        if name in hierarchy.controllers:
            return hierarchy
    for hierarchy in every:
        with reading(f"cgroup {hierarchy.mount_point}"):
            if hierarchy.version == 2 and name in read_words(Path(hierarchy.mount_point, "cgroup.controllers")):
                return hierarchy
    return None


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Make one CgroupUnreadable of an OSError."""
    try:
        yield
    except OSError as error:
        raise CgroupUnreadable(f"cannot read {what}: {error.strerror}") from error


def read_words(file: Path) -> list[str]:
    """The words of a file; none where there is no such file or group. Raises OSError."""
    # ENODEV: the group was removed while it was open; EOPNOTSUPP: a threaded group of v2 has no list of processes.
    try:
        return file.read_text().split()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
            return []
        raise


def read_field(file: Path, name: str) -> int | None:
    """A value of a file of ``name value`` lines; None where there is none. Raises OSError."""
    words = read_words(file)
    pairs = dict(zip(words[::2], words[1::2], strict=False))
    return int(pairs[name]) if name in pairs else None


def read_number(file: Path) -> int | None:
    """The first number of a file; None where there is no such file, or where it says that there is no limit: ``max``,
    -1 or a number near 2**63. Raises OSError."""
    words = read_words(file)
    if not words or words[0] == "max":
        return None
    number = int(words[0])
    return number if 0 <= number < _UNLIMITED else None
