"""An agent whose directories are file systems of their own, that a test fills or makes read-only."""

import contextlib
import subprocess
from pathlib import Path
from types import TracebackType

from tests.host.agent_process import AgentProcess

SIZE = 2 << 20
"""Bytes: enough for a few containers, and filled at once."""


class OwnDisks(AgentProcess):
    """An agent with a small file system below each of its two directories. One runtime will do: it is not at fault."""

    def __init__(self, base: Path) -> None:
        super().__init__(base, "runc")
        self._mounts: list[Path] = []
        for folder in (self.state, self.run):
            folder.mkdir()
            self._mount("-t", "tmpfs", "-o", f"size={SIZE},mode=711", "agent", str(folder))

    def fill(self, folder: Path) -> None:
        """Take all the room there is."""
        with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def make_room(self, folder: Path) -> None:
        """Give it back."""
        (folder / "filler").unlink()

    def forbid_writes(self, folder: Path) -> None:
        """Nothing can be written there from now on but to what is open, as after an error of a disk."""
        self._mount("--bind", str(folder), str(folder))
        self._mount("-o", "remount,bind,ro", str(folder))
        self._mounts.pop()  # that was one mount

    def allow_writes(self, folder: Path) -> None:
        """The end of `forbid_writes`."""
        self._mounts.remove(folder)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)

    def _mount(self, *arguments: str) -> None:
        subprocess.run(["mount", *arguments], check=True)
        self._mounts.append(Path(arguments[-1]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, traceback)
        finally:
            for folder in reversed(self._mounts):
                subprocess.run(["umount", "--lazy", str(folder)], check=True)
