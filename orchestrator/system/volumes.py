"""The volumes of a state directory: which there are, how large they are, and removing one. Floor: system.

Who uses them is for the callers to find out (`orchestrator.core.volumes`).
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.model.layout import Layout
from orchestrator.ports import DiskFailed
from orchestrator.system.bundles import list_folder
from orchestrator.system.files import remove_tree
from orchestrator.system.mountinfo import find_mounts
from orchestrator.system.namedlock import hold_named_lock

LOCK = "volumes"
"""As the kinds that make volumes have it."""

PATIENCE = 10.0
"""Seconds that a removal waits for an agent that makes a volume."""

_BLOCK = 512
"""Bytes of a block as stat(2) counts them."""

_REMOVED = ".removed-"


class VolumeInUse(DiskFailed):
    """Somebody has it after all."""


def list_volumes(layout: Layout) -> tuple[str, ...]:
    """Their names, sorted. Raises DiskFailed."""
    with _tried(f"cannot look through {layout.volumes}"):
        return tuple(sorted(name for name in list_folder(layout.volumes) if not name.startswith(".")))


def measure_volume(layout: Layout, name: str) -> int:
    """Bytes that it takes on disk, what has several names counted once; what vanishes meanwhile counts nothing. Raises
    DiskFailed."""
    total, seen = 0, set[tuple[int, int]]()
    folders = [f"{layout.volumes}/{name}"]
    with _tried(f"cannot measure the volume {name}"):
        total += os.lstat(folders[0]).st_blocks * _BLOCK
        while folders:
            try:
                with os.scandir(folders.pop()) as entries:
                    for entry in entries:
                        found = entry.stat(follow_symlinks=False)
                        if found.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                            if (found.st_dev, found.st_ino) in seen:
                                continue
                            seen.add((found.st_dev, found.st_ino))
                        total += found.st_blocks * _BLOCK
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
            except (FileNotFoundError, NotADirectoryError):
                continue
    return total


def remove_volume(layout: Layout, name: str, find_users: Callable[[], tuple[str, ...]]) -> None:
    """Remove a volume with all that is in it. find_users: the instances that have it, asked while none can get it.

    An agent writes down which instance is to have a volume before it takes the lock to make it. So whoever is not
    written down by now finds it gone, and makes it anew. Raises VolumeInUse, DiskFailed."""
    path = f"{layout.volumes}/{name}"
    moved = f"{layout.volumes}/{_REMOVED}{os.urandom(8).hex()}"
    with _tried(f"cannot remove the volume {name}"):
        with _locked(layout):
            if users := find_users():
                raise VolumeInUse(f"cannot remove the volume {name}: it is in use by {', '.join(users)}")
            if find_mounts(path):
                raise VolumeInUse(f"cannot remove the volume {name}: something is mounted in it")
            os.rename(path, moved)
        for left in list_folder(layout.volumes):
            if left.startswith(_REMOVED):  # also what a command that was killed has left
                remove_tree(f"{layout.volumes}/{left}")


def is_state_locked(layout: Layout) -> bool:
    """Whether an agent has the state directory, whatever its run directory is. Raises DiskFailed."""
    with _tried(f"cannot open the lock {layout.state_lock}"):
        try:
            descriptor = os.open(layout.state_lock, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


@contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """Hold the lock of the volumes. Where there is no run directory there is no agent."""
    if not os.path.isdir(layout.run):
        yield
        return
    try:
        with hold_named_lock(layout.named_lock(LOCK), PATIENCE):
            yield
    except TimeoutError as error:
        raise DiskFailed(f"the volumes are in use by somebody else since {PATIENCE:g} s") from error


@contextmanager
def _tried(what: str) -> Iterator[None]:
    """Say what was tried. Raises DiskFailed for OSError."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename and str(error.filename) not in what else ""
        raise DiskFailed(f"{what}: {error.strerror or error}{where}") from error
