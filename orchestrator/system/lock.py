"""One agent a run directory: a lock that the kernel gives back when its holder ends, however it ends. Floor: system.

flock(2): the lock belongs to the open file, which no child inherits (O_CLOEXEC).
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from orchestrator.ports import OutsideError


class LockTaken(OutsideError):
    """Another agent has the run directory."""


@contextlib.contextmanager
def hold_lock(path: str) -> Iterator[None]:
    """Hold the lock file at ``path`` and write our pid into it. Raises LockTaken, at once, if another holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LockTaken(f"cannot open the lock {path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise LockTaken(f"another agent (pid {holder}) has {os.path.dirname(path)}") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
