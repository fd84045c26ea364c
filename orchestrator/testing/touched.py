"""What code does to the outside while it is said to be pure: files that it opens, programs, sockets.

By audit hooks (PEP 578), so what the interpreter does not tell of, as stat(2) and the clock, is not seen. Floor:
testing.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TOUCHING = ("open", "os.", "subprocess.", "socket.", "shutil.", "tempfile.", "glob.", "pty.", "ctypes.dlopen")

_watching: dict[int, list[str]] = {}
"""By thread: what was seen. A hook cannot be taken away, so there is one for good, which mostly does nothing."""
_installed = threading.Lock()


@contextmanager
def watch_touches() -> Iterator[list[str]]:
    """While the block runs, this thread's touches are added to the list: ``open /etc/passwd``."""
    if _installed.acquire(blocking=False):
        sys.addaudithook(_note)
    seen: list[str] = []
    thread = threading.get_ident()
    _watching[thread] = seen
    try:
        yield seen
    finally:
        del _watching[thread]


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event.startswith(_TOUCHING):
        seen = _watching.get(threading.get_ident())
        if seen is not None:
            seen.append(f"{event} {arguments[0] if arguments else ''}".rstrip())
