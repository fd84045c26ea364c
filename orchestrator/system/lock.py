"""One agent a run directory: a lock that the kernel gives back when its holder ends, however it ends. Floor: system.

flock(2): the lock belongs to the open file, which no child inherits (O_CLOEXEC).
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator

from orchestrator.ports import OutsideError


class LockTaken(OutsideError):
    """Another agent has the directory."""


class Lock:
    """A lock file that is held, with our pid in it."""

    def __init__(self, path: str) -> None:
        """Take it. Raises LockTaken, at once, if another holds it."""
        self._path = path
        self._descriptor = _take(path)

    def is_held(self) -> bool:
        """Whether the file at the path is the one that is held; not if somebody has removed it."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except OSError:
            return False

    def take_again(self) -> None:
        """Take the lock at the path, in place of one that was removed. Raises LockTaken if another was quicker."""
        descriptor = _take(self._path)
        os.close(self._descriptor)
        self._descriptor = descriptor

    def close(self) -> None:
        """Give it back."""
        os.close(self._descriptor)


@contextlib.contextmanager
def hold_lock(path: str) -> Iterator[Lock]:
    """Hold the lock file at ``path``. Raises LockTaken, at once, if another holds it."""
    lock = Lock(path)
    try:
        yield lock
    finally:
        lock.close()


def _take(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LockTaken(f"cannot open the lock {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise LockTaken(f"another agent (pid {holder}) has {os.path.dirname(path)}") from error
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:  # a full disk: only the number in a message is lost
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            os.close(descriptor)
            raise LockTaken(f"cannot write the lock {path}: {error.strerror}") from error
    return descriptor
