"""Taking away mounts that somebody else left below a folder, so that the folder can be removed. Floor: system."""

import ctypes
import os
import re
from pathlib import Path

_MNT_DETACH = 2
"""umount2(2): take it out of the tree now, whoever uses it still."""
_ESCAPE = re.compile(rb"\\([0-7]{3})")


def unmount_below(folder: str) -> None:
    """Unmount all that is mounted at or below an absolute folder, the newest first. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    for mount_point in reversed(find_mounts(folder)):
        if libc.umount2(os.fsencode(mount_point), _MNT_DETACH):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), mount_point)


def find_mounts(folder: str) -> list[str]:
    """The mount points at and below an absolute folder, in the order of /proc/self/mountinfo, proc(5)."""
    # A mount shows where it is, with every link on the way resolved.
    path = os.path.realpath(folder)
    points = []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        point = os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), line.split(b" ")[4]))
        if point == path or point.startswith(f"{path}/"):
            points.append(point)
    return points
