"""Taking away mounts that somebody else left below a folder, so that the folder can be removed. Floor: system."""

import ctypes
import os

from orchestrator.system.mountinfo import find_mounts

_MNT_DETACH = 2
"""umount2(2): take it out of the tree now, whoever uses it still."""


def unmount_below(folder: str) -> None:
    """Unmount all that is mounted at or below an absolute folder, the newest first. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    for mount_point in reversed(find_mounts(folder)):
        if libc.umount2(os.fsencode(mount_point), _MNT_DETACH):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), mount_point)
