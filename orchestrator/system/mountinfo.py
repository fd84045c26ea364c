"""What is mounted where, as this process sees it: /proc/self/mountinfo, proc_pid_mountinfo(5).

What follows from it (control groups, what may be removed) is left to the callers. Floor: system.
"""

import os
import re
from collections.abc import Iterator, Sequence

from attrs import field, frozen

_ESCAPE = re.compile(rb"\\([0-7]{3})")
"""Space, tab, newline and backslash are written in octal there."""


@frozen
class MountLine:
    """One line of it: a mount."""

    device: str
    """Major and minor number; the same for all mounts of one file system."""
    point: str
    """Absolute, every link on the way resolved."""
    kind: str
    """The type of the file system, ``ext4``."""
    super_options: tuple[str, ...]
    """Those of the file system; for control groups version 1 they name the controllers."""
    number: int = field(default=0, eq=False)
    """Its id, that no other has while it lasts."""
    parent: int = field(default=0, eq=False)
    """The id of the mount that it stands on."""


def read_mounts() -> tuple[MountLine, ...]:
    """All mounts, in their order there: what is mounted over another comes after it. Raises OSError without /proc."""
    with open("/proc/self/mountinfo", "rb") as file:
        return tuple(parse_mounts(file.read()))


def parse_mounts(mountinfo: bytes) -> Iterator[MountLine]:
    """The mounts that the text of a mountinfo file tells of."""
    # By newline alone: other ends of lines may stand in a name as they are.
    for line in mountinfo.split(b"\n"):
        if not line:
            continue
        # A few optional fields come before the dash, and none of the others can be one.
        mount, _, rest = line.partition(b" - ")
        number, parent, device, _, point, *_ = mount.split(b" ")
        kind, _, options = rest.split(b" ", 2)
        yield MountLine(
            os.fsdecode(device),
            _unescape(point),
            os.fsdecode(kind),
            tuple(os.fsdecode(options).split(",")),
            int(number),
            int(parent),
        )


def find_mounts(folder: str) -> list[str]:
    """The mount points at and below an absolute folder, in the order of `read_mounts`. Raises OSError without /proc."""
    return [mount.point for mount in list_mounts(folder)]


def list_mounts(folder: str) -> list[MountLine]:
    """The mounts at and below an absolute folder, in the order of `read_mounts`. Raises OSError without /proc."""
    path = os.path.realpath(folder)
    below = path.rstrip("/") + "/"
    return [mount for mount in read_mounts() if mount.point == path or mount.point.startswith(below)]


def find_mount(path: str, mounts: Sequence[MountLine]) -> MountLine | None:
    """The mount that an absolute path without links lies on; None where none of ``mounts`` is the root's."""
    way = [mount for mount in mounts if path == mount.point or path.startswith(f"{mount.point.rstrip('/')}/")]
    numbers = {mount.number for mount in mounts}
    found = next((mount for mount in way if mount.point == "/" and mount.parent not in numbers), None)
    # From each mount to the first that stands on it: what is mounted over a folder hides what is mounted below that.
    while found is not None:
        upon = [mount for mount in way if mount.parent == found.number]
        if not upon:
            break
        found = min(upon, key=lambda mount: len(mount.point))
    return found


def _unescape(text: bytes) -> str:
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), text))
