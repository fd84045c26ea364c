"""What is mounted where, as this process sees it: /proc/self/mountinfo, proc_pid_mountinfo(5).

What follows from it (control groups, what may be removed) is left to the callers. Floor: system.
"""

import os
import re
from collections.abc import Iterator

from attrs import frozen

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
        _, _, device, _, point, *_ = mount.split(b" ")
        kind, _, options = rest.split(b" ", 2)
        yield MountLine(
            os.fsdecode(device), _unescape(point), os.fsdecode(kind), tuple(os.fsdecode(options).split(","))
        )


def find_mounts(folder: str) -> list[str]:
    """The mount points at and below an absolute folder, in the order of `read_mounts`. Raises OSError without /proc."""
    path = os.path.realpath(folder)
    below = path.rstrip("/") + "/"
    return [mount.point for mount in read_mounts() if mount.point == path or mount.point.startswith(below)]


def _unescape(text: bytes) -> str:
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), text))
