"""Locks with names: only one at a time holds one, be it an agent's thread or a command. Floor: system.

flock(2) on a file that is there only while somebody holds the lock: so nothing is left, and what a process that was
killed leaves is the next one's.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

PAUSE = 0.02
"""Seconds between two tries: flock(2) knows no time-out."""


@contextlib.contextmanager
def hold_named_lock(path: str, patience: float) -> Iterator[None]:
    """Hold the lock at an absolute path, waiting for it for ``patience`` seconds; then TimeoutError. Raises OSError."""
    deadline = time.monotonic() + patience
    while (descriptor := _try(path)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(PAUSE)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)


def _try(path: str) -> int | None:
    """The descriptor of the lock file, locked; None where somebody else has it. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its holder may have removed it in between: then another one is the lock.
        if os.path.samestat(os.stat(path), os.fstat(descriptor)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
