"""Taking away mounts that somebody else left below a folder, so that the folder can be removed. Floor: system."""

import ctypes
import os

from orchestrator.system.mountinfo import list_mounts

_MNT_DETACH = 2
"""umount2(2): take it out of the tree now, whoever uses it still."""

_PRIVATE = 1 << 18
"""MS_PRIVATE of mount(2)."""


def unmount_below(folder: str) -> None:
    """Unmount all that is mounted at or below an absolute folder, the newest first. Raises OSError.

    Where the host's mounts are shared, as under systemd, a folder of the host that is mounted there with all below it
    (``rbind``) is a peer of itself: what is unmounted below the one would be below the other too (mount_namespaces(7)).
    So what something is mounted on is made private first; nothing else is, since to look it up would be to wait for a
    server that is gone, and umount2(2) does not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    found = list_mounts(folder)
    shared = {mount.number: mount.point for mount in found}
    for mount in reversed(found):
        parent = shared.pop(mount.parent, None)
        if parent is not None:
            _check(libc.mount(None, os.fsencode(parent), None, ctypes.c_ulong(_PRIVATE), None), parent)
        _check(libc.umount2(os.fsencode(mount.point), _MNT_DETACH), mount.point)


def _check(result: int, mount_point: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), mount_point)
