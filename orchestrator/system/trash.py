"""A folder that trees are moved into to be removed later, in a thread: what an application wrote may be large, and the
agent's loop must not wait for it.

A move is one rename(2), so what is discarded is gone from its place at once and whole. What is still there when an
agent is killed, the next one removes. What is discarded, and when, is left to the callers. Floor: system.
"""

import errno
import os
import threading
from collections.abc import Callable

import trio

from orchestrator.system.files import make_folders, move_tree, remove_tree


class Trash:
    """A trash folder, there only while there is something in it; must be on the file system of what goes into it (what
    is not is removed in place). `discard` is for one thread, `empty_now` for any."""

    def __init__(self, folder: str) -> None:
        """folder: absolute."""
        self.folder = folder
        self._attended = False
        self._filled = trio.Event()
        self._filled.set()  # an earlier agent may have left something
        self._turn = threading.Lock()

    def discard(self, path: str) -> None:
        """Take away the file, link or folder at ``path``, with all below it; none there is no error.

        While a task empties the trash, it is left to that; else it is removed before this returns. Raises OSError;
        EBUSY, before anything is touched, where something is mounted below.
        """
        if not self._attended:
            remove_tree(path)
            return
        while os.path.lexists(path):
            try:
                move_tree(path, f"{self.folder}/{os.urandom(8).hex()}")
            except FileNotFoundError:
                make_folders(self.folder, 0o700)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                remove_tree(path)
            else:
                self._filled.set()

    async def empty_for_ever(
        self, report: Callable[[str], object], *, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Remove what is in it already, and from then on whatever is discarded, in a thread. When cancelled, it returns
        only after all is removed that was discarded.

        report: told, once, of each tree that cannot be removed; it is tried again with the next that is discarded.
        """
        told: set[str] = set()
        self._attended = True
        task_status.started()
        try:
            while True:
                await self._filled.wait()
                self._filled = trio.Event()
                await self._empty(report, told)
        finally:
            self._attended = False
            with trio.CancelScope(shield=True):
                await self._empty(report, told)

    async def _empty(self, report: Callable[[str], object], told: set[str]) -> None:
        # Never abandoned: two that remove the same tree would trip over each other.
        for name, error in (await trio.to_thread.run_sync(self.empty_now)).items():
            if name not in told:
                told.add(name)
                where = f" ({error.filename})" if error.filename else ""
                report(f"cannot remove {self.folder}/{name}: {error.strerror or error}{where}")

    def empty_now(self) -> dict[str, OSError]:
        """Remove all that is in it. Blocks. Returns, by name, why what could not be removed was not."""
        failures: dict[str, OSError] = {}
        with self._turn:
            try:
                names = os.listdir(self.folder)
            except FileNotFoundError:
                return {}
            except OSError as error:
                return {"": error}
            for name in names:
                try:
                    remove_tree(f"{self.folder}/{name}")
                except OSError as error:
                    failures[name] = error
            try:
                os.rmdir(self.folder)
            except OSError as error:
                # Something is left, or was discarded just now.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                    failures[""] = error
        return failures
