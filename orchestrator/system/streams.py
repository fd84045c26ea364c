"""The event log and the applications' logs as the control socket hands them on: in pieces, as they grow.

Floor: system.
"""

import json
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Self

import trio

from orchestrator.core.encode import DamagedState, decode_record
from orchestrator.core.records import record_to_json
from orchestrator.model.eventlog import Record
from orchestrator.model.layout import Layout
from orchestrator.ports import DiskFailed
from orchestrator.system.closing import Closing
from orchestrator.system.logfollow import LogFollower
from orchestrator.system.logs import CHUNK, LogReader, Piece


class HostStreams:
    """Implements `orchestrator.api.needs.Streams` over the files of a state directory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def events(self, lines: int | None, follow: bool, name: str | None) -> "_Events":
        """See `orchestrator.api.needs.Streams`."""
        return _Events(self._layout.events, lines, follow, name)

    def logs(self, name: str, lines: int | None, follow: bool) -> "_Output":
        """See `orchestrator.api.needs.Streams`."""
        return _Output(self._layout.log(name), lines, follow)


class _Stream(Closing):
    """Bytes that come out of a file. Implements `orchestrator.api.needs.Pieces`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._source: AsyncIterator[Piece] | None = None
        self._files: list[Closing] = []

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
        self._source = None
        for file in self._files:
            file.close()

    @abstractmethod
    def _take(self, piece: Piece) -> bytes:
        """What is handed on of a piece of the file."""

    def _open(self) -> LogReader | None:
        """None where there is no file (yet)."""
        try:
            reader = LogReader(self._path)
        except FileNotFoundError:
            return None
        self._files.append(reader)
        return reader

    def _follow(self, lines: int | None, begin: int = 0) -> LogFollower:
        follower = LogFollower(self._path, lines, begin)
        self._files.append(follower)
        return follower


class _Output(_Stream):
    """An application's output: bytes as they are, but for a line whose end was dropped, which is ended."""

    def __init__(self, path: str, lines: int | None, follow: bool) -> None:
        super().__init__(path)
        self._in_line = False
        with _reading(path):
            if follow:
                self._source = self._follow(lines)
            elif (reader := self._open()) is not None:
                self._source = _Rest(reader, reader.seek_tail(lines))

    def _take(self, piece: Piece) -> bytes:
        data = b"\n" + piece.data if piece.dropped and self._in_line else piece.data
        if data:
            self._in_line = not data.endswith(b"\n")
        return data


class _Events(_Stream):
    """The event log: records as programs are shown them, all or those of one container."""

    def __init__(self, path: str, lines: int | None, follow: bool, name: str | None) -> None:
        super().__init__(path)
        self._name = name
        self._begun = b""
        self._first = b""
        position = 0
        with _reading(path):
            if (reader := self._open()) is not None:
                # Of one container's lines nobody knows where the last few begin: all are looked at.
                end = reader.seek_tail(lines if name is None else None)
                last: deque[bytes] = deque(maxlen=lines)
                while reader.position < end and (piece := reader.read(min(CHUNK, end - reader.position))):
                    last.extend(self._select(piece))
                position = reader.position - len(self._begun)
                self._first, self._begun = b"".join(last), b""
                self.close()
            self._source = self._follow(None, position) if follow else _Nothing()

    async def __anext__(self) -> bytes:
        """See `_Stream`."""
        if self._first:
            await trio.lowlevel.checkpoint()
            first, self._first = self._first, b""
            return first
        return await super().__anext__()

    def _take(self, piece: Piece) -> bytes:
        return b"".join(self._select(piece))

    def _select(self, piece: Piece) -> Iterator[bytes]:
        """The whole lines that a piece completes, as far as they are asked for."""
        if piece.dropped:
            self._begun = b""  # its end is gone
        *whole, self._begun = (self._begun + piece.data).split(b"\n")
        for line in whole:
            record = _record_of(line)
            if record is not None and self._name in (None, record.name):
                yield json.dumps(record_to_json(record), separators=(",", ":")).encode() + b"\n"


class _Rest:
    """What stands in a log up to a position."""

    def __init__(self, reader: LogReader, end: int) -> None:
        self._reader = reader
        self._end = end

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        await trio.lowlevel.checkpoint()
        missing = self._end - self._reader.position
        piece = self._reader.read(min(CHUNK, missing)) if missing > 0 else None
        if piece is None:
            raise StopAsyncIteration
        return piece


class _Nothing:
    """No piece at all."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        await trio.lowlevel.checkpoint()
        raise StopAsyncIteration


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
