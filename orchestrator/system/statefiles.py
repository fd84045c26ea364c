"""Writing state files when the disk says no: a spare keeps room for one, and what could not be written is tried again.

What the files hold is for `disk`. Floor: system.
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress

import trio

from orchestrator.system.files import remove_file, write_all, write_atomic

TRY_AGAIN_AFTER = 5.0
"""Seconds from one attempt to the next."""
SPARE_SIZES = tuple(1 << bits for bits in range(14, 11, -1))
"""Bytes that a spare may have: the largest that there is room for."""


class StateFiles:
    """The state files of one directory, and, while `try_again_for_ever` runs, a spare among them.

    When the disk is full, a file that stands there is replaced by the spare, which takes no further room; what it frees
    is the next spare. So people are told the truth of what runs also then.
    """

    def __init__(self, folder: str) -> None:
        """folder: absolute; all files are on its file system."""
        self._folder = folder
        self._spare = f"{folder}/.spare"
        self._attended = False
        self._has_spare = False
        self._unwritten: dict[str, bytes] = {}
        self._why = ""
        self._failed = trio.Event()

    def write(self, path: str, data: bytes) -> None:
        """Put a file in place, by rename. Raises OSError; what has failed is tried again until the next `write` of that
        path, or `forget`."""
        try:
            try:
                write_atomic(path, data)
            except OSError as error:
                is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                if not (is_full and self._has_spare and os.path.exists(path)):
                    raise
                self._replace_by_spare(path, data)
        except OSError as error:
            self._unwritten[path] = data
            self._why = error.strerror or str(error)
            self._failed.set()
            raise
        self.forget(path)
        if self._attended and not self._has_spare:
            self._make_spare()

    def forget(self, path: str) -> None:
        """Nothing is to be at that path any more, or something else."""
        self._unwritten.pop(path, None)

    async def try_again_for_ever(self, tell: Callable[[str], object]) -> None:
        """Write what could not be written as soon as it can be, and at the end remove the spare. tell: told why
        something is not written, and an empty text when all is."""
        self._attended = True
        self._make_spare()
        try:
            while True:
                await self._failed.wait()
                self._failed = trio.Event()
                while self._unwritten:
                    tell(f"cannot write to {self._folder}: {self._why}; what status shows may be old")
                    await trio.sleep(TRY_AGAIN_AFTER)
                    self._try_again()
                tell("")
        finally:
            self._attended = self._has_spare = False
            with suppress(OSError):
                remove_file(self._spare)

    def _try_again(self) -> None:
        for path, data in list(self._unwritten.items()):
            with suppress(OSError):  # why it could not be is noted
                self.write(path, data)

    def _replace_by_spare(self, path: str, data: bytes) -> None:
        self._has_spare = False
        descriptor = os.open(self._spare, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            write_all(descriptor, data)
            os.ftruncate(descriptor, len(data))
        except OSError:
            self._make_spare()  # there is more to write than it has room for
            raise
        finally:
            os.close(descriptor)
        os.rename(self._spare, path)

    def _make_spare(self) -> None:
        """As large as it can be; none where there is no room at all."""
        try:
            descriptor = os.open(self._spare, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            for size in SPARE_SIZES:
                try:
                    os.posix_fallocate(descriptor, 0, size)
                except OSError:
                    continue
                self._has_spare = True
                return
        finally:
            os.close(descriptor)
