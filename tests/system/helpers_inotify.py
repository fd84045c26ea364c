"""The limits of inotify(7), which are the whole machine's: low for moments only, and only in tests marked ``alone``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def limited(name: str, value: int = 0) -> Iterator[None]:
    """Set the sysctl fs.inotify.NAME for a while."""
    path = Path("/proc/sys/fs/inotify") / name
    before = path.read_text()
    path.write_text(f"{value}\n")
    try:
        yield
    finally:
        path.write_text(before)
