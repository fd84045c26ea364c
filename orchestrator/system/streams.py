"""The event log and the applications' logs as the control socket hands them on: in pieces, as they grow.

Floor: system.
"""

import json
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Self

import trio

from orchestrator.core.encode import DamagedState, decode_record
from orchestrator.core.records import record_to_json
from orchestrator.model.eventlog import Record
from orchestrator.model.layout import Layout
from orchestrator.ports import DiskFailed, OutsideError
from orchestrator.system.closing import Closing
from orchestrator.system.logfollow import LogFollower, seek_tail, when_free
from orchestrator.system.logs import CHUNK, LogReader, Piece
from orchestrator.system.sharing import SharedInotify

PATIENCE = 2.0
"""Seconds that a stream waits at its beginning for somebody else who holds the log."""


MOST_STREAMS = 64
"""So many may be open at a time: each holds descriptors and watches, which the containers need too."""

RECORDS_CHUNK = 8 * 1024
"""Bytes of the event log that are read at a time: to decode them takes 2 ms, in which the agent does nothing else."""


class TooManyStreams(OutsideError):
    """No more logs can be read at a time."""


class HostStreams:
    """Implements `orchestrator.api.needs.Streams` over the files of a state directory. All that follow are woken by one
    inotify instance. Raises TooManyStreams when `MOST_STREAMS` are open."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._inotify = SharedInotify()
        self._open: set[_Stream] = set()

    async def events(self, lines: int | None, follow: bool, name: str | None) -> "_Stream":
        """See `orchestrator.api.needs.Streams`."""
        return await self._begin(_Events(self._layout.events, lines, self._inotify if follow else None, name))

    async def logs(self, name: str, lines: int | None, follow: bool) -> "_Stream":
        """See `orchestrator.api.needs.Streams`."""
        return await self._begin(_Output(self._layout.log(name), lines, self._inotify if follow else None))

    async def _begin(self, stream: "_Stream") -> "_Stream":
        if len(self._open) >= MOST_STREAMS:
            raise TooManyStreams(f"{MOST_STREAMS} streams of logs and events are open already: end one, or try later")
        self._open.add(stream)
        stream.when_closed = partial(self._open.discard, stream)
        try:
            await stream.begin()
        except BaseException:
            stream.close()
            raise
        return stream


class _Stream(Closing):
    """Bytes that come out of a file. Implements `orchestrator.api.needs.Pieces`."""

    chunk = CHUNK
    """How many of them are read at a time, at most."""

    def __init__(self, path: str, lines: int | None, follow: SharedInotify | None) -> None:
        self._path = path
        self._lines = lines
        self._following = follow
        self.when_closed: Callable[[], None] = lambda: None
        """Told when nothing is held any more."""
        self._source: LogFollower | _Rest | None = None

    async def begin(self) -> None:
        """Find out where to begin. Raises LogBusy, DiskFailed, NoWatchesLeft, LogUnwatchable."""
        with _reading(self._path):
            await self._open_source(self._lines)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes, never none. Raises DiskFailed. Cancellation-safe."""
        while self._source is not None:
            with _reading(self._path):
                data = self._take(await anext(self._source))
            if data:
                return data
        raise StopAsyncIteration

    def close(self) -> None:
        """See `orchestrator.api.needs.Pieces`."""
        if self._source is not None:
            self._source.close()
            self._source = None
        self.when_closed()

    @abstractmethod
    def _take(self, piece: Piece) -> bytes:
        """What is handed on of a piece of the file."""

    async def _open_source(self, lines: int | None, begin: int = 0) -> None:
        """Begin with the last lines, but not before the position ``begin``."""
        if self._following is None:
            self._source = _Rest(self._path, lines, begin, self.chunk)
        else:
            self._source = LogFollower(self._path, lines, begin, self.chunk, self._following)
        await self._source.begin(PATIENCE)


class _Output(_Stream):
    """An application's output: bytes as they are, but for a line whose end was dropped, which is ended."""

    def __init__(self, path: str, lines: int | None, follow: SharedInotify | None) -> None:
        super().__init__(path, lines, follow)
        self._in_line = False

    def _take(self, piece: Piece) -> bytes:
        data = b"\n" + piece.data if piece.dropped and self._in_line else piece.data
        if data:
            self._in_line = not data.endswith(b"\n")
        return data


class _Events(_Stream):
    """The event log: records as programs are shown them, all or those of one container."""

    chunk = RECORDS_CHUNK

    def __init__(self, path: str, lines: int | None, follow: SharedInotify | None, name: str | None) -> None:
        super().__init__(path, lines, follow)
        self._name = name
        self._begun = b""

    async def begin(self) -> None:
        """See `_Stream`."""
        if self._name is None or self._lines is None:
            await super().begin()
            return
        # Of one container's lines nobody knows where the last few begin: all are looked at.
        with _reading(self._path):
            begin = await self._find_last(self._lines)
            await self._open_source(None, begin)

    async def _find_last(self, count: int) -> int:
        """The position of the last ``count`` records that are asked for."""
        with _Rest(self._path, None, 0, self.chunk) as rest:
            await rest.begin(PATIENCE)
            places: deque[int] = deque(maxlen=count)
            begun = b""
            at = rest.position
            async for piece in rest:
                if piece.dropped:
                    begun = b""
                    at = rest.position - len(piece.data)
                *whole, begun = (begun + piece.data).split(b"\n")
                for line in whole:
                    if self._is_asked_for(line):
                        places.append(at)
                    at += len(line) + 1
        return places[0] if places else at

    def _take(self, piece: Piece) -> bytes:
        if piece.dropped:
            self._begun = b""  # its end is gone
        *whole, self._begun = (self._begun + piece.data).split(b"\n")
        return b"".join(self._encode(line) for line in whole)

    def _is_asked_for(self, line: bytes) -> bool:
        return bool(self._encode(line))

    def _encode(self, line: bytes) -> bytes:
        """A line as programs are shown it; nothing for one that is not asked for."""
        record = _record_of(line)
        if record is None or self._name not in (None, record.name):
            return b""
        return json.dumps(record_to_json(record), separators=(",", ":")).encode() + b"\n"


class _Rest(Closing):
    """What a log holds when it is begun with, up to there: as `LogFollower` otherwise, but without waiting for more."""

    def __init__(self, path: str, lines: int | None, begin: int, limit: int) -> None:
        self._limit = limit
        self._lines = lines
        self._begin = begin
        self._end = 0
        self._reader: LogReader | None = None
        with suppress(FileNotFoundError):  # then there is nothing
            self._reader = LogReader(path, waits=False)

    @property
    def position(self) -> int:
        """As that of a `LogReader`."""
        return self._reader.position if self._reader is not None else 0

    async def begin(self, patience: float) -> None:
        """See `LogFollower.begin`."""
        if self._reader is not None:
            self._end = await seek_tail(self._reader, self._lines, patience)
            if self._reader.position < self._begin:
                await when_free(partial(self._reader.seek, self._begin), patience)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        await trio.lowlevel.checkpoint()
        if self._reader is not None and (missing := self._end - self._reader.position) > 0:
            piece = await when_free(partial(self._reader.read, min(self._limit, missing)))
            if piece is not None:
                return piece
        raise StopAsyncIteration

    def close(self) -> None:
        """Give up the descriptor. May be called twice."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def _record_of(line: bytes) -> Record | None:
    """None for a line that is none (of a version to come)."""
    try:
        return decode_record(line.decode())
    except (DamagedState, UnicodeDecodeError):
        return None


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Raises DiskFailed for OSError."""
    try:
        yield
    except OSError as error:
        raise DiskFailed(f"cannot read {path}: {error.strerror}") from error
