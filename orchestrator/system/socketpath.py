"""Sockets whose path is longer than a socket's address may be. Floor: system."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_ADDRESS = 107
"""Bytes of the path in a socket's address: sun_path of unix(7) without the NUL at the end."""


@contextmanager
def shorten_path(path: str) -> Iterator[str]:
    """What to bind a socket at a path by, or to connect to it by: the path, or where that is too long, one that leads
    to the same place while the block runs, through a descriptor of its folder (proc_pid_fd(5)). Raises OSError."""
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        yield path
        return
    folder, name = os.path.split(path)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
