"""Bytes carried from one descriptor to another, as a command line does that stands between a terminal and a command.

Where they come from and go to is the business of `orchestrator.system.exec`. Floor: system.
"""

import os
import select
from collections.abc import Awaitable, Callable

import trio

from orchestrator.ports import OutsideError

CHUNK = 65536
"""Bytes that are read at once."""


class OutputLost(OutsideError):
    """What was to be carried could not be written (a full disk)."""


class Channel:
    """One direction. A cancelled `carry` loses nothing: what was read and not written yet is left for `finish`."""

    def __init__(self, source: int, sink: int, *, owned: int | None = None) -> None:
        """owned: the one of both that is closed when nothing more is carried: closing the write end of a pipe tells a
        reader of the end, closing the read end tells a writer that nobody listens. Others' descriptors are not made
        non-blocking, since that would hold for all who share them; ``source`` must be, for `finish`."""
        self._source = source
        self._sink = sink
        self._owned = owned
        self._pending = memoryview(b"")
        self._open = True

    async def carry(self) -> None:
        """Until the source ends or nobody reads the sink. Raises OutputLost."""
        while self._open:
            await _when_ready(trio.lowlevel.wait_readable, self._source)
            if self._take():
                await self._give()
            else:
                self.close()

    async def finish(self) -> None:
        """What is on the way, and what the source has just now; nothing more is waited for. Raises OutputLost."""
        await self._give()
        while self._open and self._take() and self._pending:
            await self._give()
        self.close()

    def close(self) -> None:
        """Carry nothing any more. May be called twice."""
        if self._open and self._owned is not None:
            os.close(self._owned)
        self._open = False

    def _take(self) -> bool:
        """Read what there is; False at the end."""
        try:
            data = os.read(self._source, CHUNK)
        except BlockingIOError:
            return True
        except OSError:  # EIO: a terminal without anyone at its other end
            return False
        self._pending = memoryview(data)
        return bool(data)

    async def _give(self) -> None:
        while self._open and self._pending:
            await _when_ready(trio.lowlevel.wait_writable, self._sink)
            try:
                # A pipe that is ready takes so much without blocking, pipe(7).
                written = os.write(self._sink, self._pending[: select.PIPE_BUF])
            except BlockingIOError:
                continue
            except BrokenPipeError:
                self.close()
            except OSError as error:
                self.close()
                raise OutputLost(f"cannot write to standard output: {error.strerror}") from error
            else:
                self._pending = self._pending[written:]


async def _when_ready(wait: Callable[[int], Awaitable[None]], descriptor: int) -> None:
    try:
        await wait(descriptor)
    except PermissionError:  # epoll_ctl(2): a file of a disk, and /dev/null, are always ready
        await trio.lowlevel.checkpoint()
