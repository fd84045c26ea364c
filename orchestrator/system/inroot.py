"""Finding a place below a folder as if that folder were the root directory: no link and no ``..`` leads out of it.

As openat2(2) does with RESOLVE_IN_ROOT, which Python does not have. What is done at the place is left to the callers.
Floor: system.
"""

import errno
import os
import stat
from contextlib import ExitStack

MOST_LINKS = 40
"""As the kernel has it, path_resolution(7)."""

_ENTER = os.O_PATH | os.O_CLOEXEC


def open_in_root(path: str, root: str, stack: ExitStack, *, make_missing: bool = False) -> int:
    """An O_PATH descriptor of what ``path`` names with ``root`` as the root directory, closed by ``stack``.

    Component by component, each opened below the descriptor of its folder, so that neither a link nor ``..`` leads out,
    also while someone renames in it. make_missing: a folder (0755) is made for each component that is not there, where
    a link leads to nothing too, as runtimes do for a mount point. Raises OSError.
    """
    top = os.open(root, _ENTER)
    stack.callback(os.close, top)
    way = [top]
    todo = path.split("/")[::-1]
    links = 0
    while todo:
        name = todo.pop()
        if name in ("", "."):
            continue
        if name == "..":
            # Above the root there is the root.
            way = way[:-1] or [top]
            continue
        descriptor = _enter(name, way[-1], make_missing)
        stack.callback(os.close, descriptor)
        if not stat.S_ISLNK(os.fstat(descriptor).st_mode):
            way.append(descriptor)
            continue
        links += 1
        if links > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink("", dir_fd=descriptor)
        if target.startswith("/"):
            way = [top]
        todo += target.split("/")[::-1]
    return way[-1]


def _enter(name: str, folder: int, make_missing: bool) -> int:
    try:
        return os.open(name, _ENTER | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        if not make_missing:
            raise
    os.mkdir(name, 0o700, dir_fd=folder)
    descriptor = os.open(name, _ENTER | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=folder)
    os.chmod(f"/proc/self/fd/{descriptor}", 0o755)  # whatever the umask said; fchmod(2) refuses an O_PATH descriptor
    return descriptor
