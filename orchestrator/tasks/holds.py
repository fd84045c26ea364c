"""Which names an operator has stopped: kept in the run directory, so over an agent's restart and not over a boot.

Floor: tasks.
"""

from collections.abc import Collection

from orchestrator.ports import Disk, DiskFailed


class Holds:
    """The names that are not to run until they are started. What is said here is on disk."""

    def __init__(self, disk: Disk) -> None:
        """Raises DiskFailed if what an earlier agent wrote down cannot be read."""
        self._disk = disk
        self._names = set(disk.list_held())

    @property
    def names(self) -> frozenset[str]:
        """Those that are held now."""
        return frozenset(self._names)

    def hold(self, names: Collection[str]) -> None:
        """Hold all of them, or none: raises DiskFailed."""
        held: list[str] = []
        try:
            for name in names:
                if name not in self._names:
                    self._disk.hold(name)
                    held.append(name)
        except DiskFailed:
            for name in held:
                self._disk.release(name)
            raise
        self._names.update(held)

    def release(self, names: Collection[str]) -> None:
        """Let them run again; those before one that cannot be released are. Raises DiskFailed."""
        for name in names:
            if name in self._names:
                self._disk.release(name)
                self._names.discard(name)

    def write_again(self) -> None:
        """What was written down is gone: write it once more. Raises DiskFailed."""
        for name in self._names:
            self._disk.hold(name)
