"""Following a log: what it holds, and what is appended from then on, by events and never by polling. Floor: system."""

import math
import subprocess
from collections.abc import Callable
from functools import partial
from typing import Self, TypeVar

import trio

from orchestrator.ports import LogBusy, OutsideError
from orchestrator.system.closing import Closing
from orchestrator.system.inotify import Event, Mask
from orchestrator.system.journal import JournalQuery, JournalUnavailable, journalctl, no_journalctl
from orchestrator.system.links import walk_links
from orchestrator.system.logs import CHUNK, LogReader, Piece, TailSearch
from orchestrator.system.sharing import SharedInotify
from orchestrator.system.watches import Wanted, Watches

Found = TypeVar("Found")

_SHORTEST_PAUSE = 0.01
_LONGEST_PAUSE = 1.0
"""Seconds between two looks at a log that somebody else holds."""


class LogUnwatchable(OutsideError):
    """The way to a log cannot be watched."""


class LogFollower(Closing):
    """Follows the log ``path`` (absolute): an asynchronous iterator without an end, and a context manager.

    It begins with the last ``lines`` lines (None: all), but not before the line that the position ``begin`` is in. The
    log may be missing at first, and be removed or replaced: the old one is read to its end, then the new one from its
    head. A piece has at most ``limit`` bytes; several can share an ``inotify``. Waits for events, never polls.

    Making it and going on raise OSError when the log cannot be read for another reason, NoWatchesLeft, LogUnwatchable.
    """

    def __init__(
        self, path: str, lines: int | None, begin: int = 0, limit: int = CHUNK, inotify: SharedInotify | None = None
    ) -> None:
        self._path = path
        self._lines = lines
        self._begin = begin
        self._limit = limit
        self._begun = False
        self._file_watch = -1
        self._reader: LogReader | None = None
        self._share = (inotify or SharedInotify()).join(self._matters)
        self._watches = Watches(self._share)
        try:
            self._reader = self._open()
        except BaseException:
            self._share.close()
            raise

    async def begin(self, patience: float = math.inf) -> None:
        """Find out where to begin, which is else done before the first piece: what is written from now on comes.
        Cancellation-safe. Raises LogBusy when somebody else holds the log for about ``patience`` seconds."""
        if self._begun:
            return
        if self._reader is None:
            self._reader = self._open()
        if (reader := self._reader) is not None:
            await seek_tail(reader, self._lines, patience)
            if reader.position < self._begin:
                await when_free(partial(reader.seek_line, self._begin), patience)
        self._begun = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        """The next piece. Cancellation-safe: a cancelled wait has taken nothing."""
        await trio.lowlevel.checkpoint()
        await self.begin()
        while True:
            if self._reader is None:
                self._reader = self._open()
            if (piece := await self._read()) is not None:
                return piece
            if self._reader is not None and self._reader.is_replaced():
                self._reader.close()
                self._reader = None
            elif self._arm():
                await self._share.wait()

    def close(self) -> None:
        """Give up all descriptors. May be called twice."""
        self._share.close()
        if self._reader is not None:
            self._reader.close()

    def _open(self) -> LogReader | None:
        try:
            return LogReader(self._path, waits=False)
        except FileNotFoundError:
            return None

    async def _read(self) -> Piece | None:
        return await when_free(partial(self._reader.read, self._limit)) if self._reader is not None else None

    def _arm(self) -> bool:
        """Watch the way to the log, and the log itself. Returns whether all of it was watched before, so that nothing
        can have been missed."""
        wanted = Wanted()
        wanted.add_chain(walk_links(self._path))
        armed = self._watches.arm(wanted)
        if armed.failure:
            raise LogUnwatchable(f"cannot follow the log {self._path}: {armed.failure}")
        steady = armed.steady
        if self._reader is not None:
            # By the descriptor and not by the path, which may lead to another file by now.
            watch = self._share.add(f"/proc/self/fd/{self._reader.fileno()}", Mask.MODIFY | Mask.ATTRIB)
            if watch != self._file_watch:
                if self._file_watch in self._share.held:
                    self._share.remove(self._file_watch)
                self._file_watch, steady = watch, False
        return steady

    def _matters(self, event: Event) -> bool:
        return event.watch == self._file_watch or self._watches.matter([event])


async def seek_tail(reader: LogReader, lines: int | None, patience: float = math.inf) -> int:
    """`LogReader.seek_tail`, with other tasks in between: a log is as long as its definition lets it be. Raises as
    `LogFollower.begin`."""
    search = TailSearch(reader, lines)
    while not await when_free(search.step, patience):
        await trio.lowlevel.checkpoint()
    return search.end


async def when_free(look: Callable[[], Found], patience: float = math.inf) -> Found:
    """What ``look`` returns once it no longer raises LogBusy, which it does at last after about ``patience`` seconds.
    flock(2) has no event for that, so it is tried again, at growing pauses, for as long as somebody holds the log."""
    pause = _SHORTEST_PAUSE
    while True:
        try:
            return look()
        except LogBusy:
            if patience <= 0:
                raise
        await trio.sleep(min(pause, patience))
        patience -= pause
        pause = min(2 * pause, _LONGEST_PAUSE)


async def follow_journal(query: JournalQuery, write: Callable[[bytes], None]) -> None:
    """Hand on what journalctl(1) prints, until it ends. Raises JournalUnavailable."""
    words = journalctl(query)
    try:
        process = await trio.lowlevel.open_process(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except OSError as error:
        raise no_journalctl(error) from error
    assert process.stdout is not None, "it was asked for"
    try:
        async for data in process.stdout:
            write(bytes(data))
        if code := await process.wait():
            raise JournalUnavailable(f"journalctl ended with exit code {code}")
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.stdout.aclose()
            await process.wait()
