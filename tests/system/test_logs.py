"""Logs whose head is dropped beneath a writer and its readers, on a real file system and on tmpfs."""
# ruff: noqa: ASYNC240 - what the tests do to files is done at once, and the loop waits for it

import fcntl
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from orchestrator.ports import DiskFailed, LogBusy
from orchestrator.system import logwatch
from orchestrator.system.collapse import drop_head, held_bytes, record_path
from orchestrator.system.logfollow import LogFollower, seek_tail
from orchestrator.system.logs import CHUNK, LogReader, Piece, read_tail
from orchestrator.system.logwatch import HostLog, HostLogs
from orchestrator.tasks.trim import trim_log
from tests.system.helpers_inotify import limited

LINE = 16
"""Bytes of a numbered line."""


@pytest.fixture(params=["disk", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where a log will be: on the file system of /tmp (collapsed where it can be), and on tmpfs (punched)."""
    if request.param == "disk":
        yield tmp_path / "web.log"
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="watching-") as folder:
        yield Path(folder) / "web.log"


def numbered(first: int, count: int) -> bytes:
    """Lines of `LINE` bytes, each with its number."""
    return b"".join(b"%0*d\n" % (LINE - 1, number) for number in range(first, first + count))


def numbers(data: bytes) -> list[int]:
    """The numbers of whole lines; fails on a torn one."""
    lines = data.split(b"\n")
    assert lines.pop() == b""
    assert all(len(line) == LINE - 1 for line in lines)
    return [int(line) for line in lines]


def append(path: Path, data: bytes) -> None:
    """Write as an application does."""
    with path.open("ab") as file:
        file.write(data)


def read_all(reader: LogReader, limit: int = 1000) -> tuple[bytes, int]:
    """What is there from here on, and how much of it was dropped."""
    pieces = []
    while piece := reader.read(limit):
        pieces.append(piece)
    return b"".join(piece.data for piece in pieces), sum(piece.dropped for piece in pieces)


def held(path: Path) -> int:
    """How many bytes the log holds."""
    with path.open("rb") as file:
        return held_bytes(file.fileno())


@contextmanager
def held_by_another(log: Path) -> Iterator[Callable[[], None]]:
    """Somebody who may only read holds the count, until what is given is called."""
    with open(record_path(str(log)), "rb") as record:
        fcntl.flock(record, fcntl.LOCK_EX)
        yield lambda: fcntl.flock(record, fcntl.LOCK_UN)


def test_dropping_keeps_at_least_what_is_asked_and_frees_the_rest(log: Path) -> None:
    append(log, numbered(0, 100_000))
    size = held(log)
    dropped = drop_head(str(log), 500_000)
    assert dropped > 0
    assert held(log) == size - dropped
    assert 500_000 <= held(log) < 500_000 + 65536
    assert log.stat().st_blocks * 512 < 700_000
    assert drop_head(str(log), 500_000) == 0
    remaining = numbers(read_tail(str(log), None))
    assert remaining == list(range(remaining[0], 100_000))
    assert len(remaining) >= 500_000 // LINE - 1


def test_dropping_again_and_again_counts_all(log: Path) -> None:
    log.touch()
    with LogReader(str(log)) as reader:
        total = 0
        for turn in range(5):
            append(log, numbered(turn * 10_000, 10_000))
            total += drop_head(str(log), 1)
        data, dropped = read_all(reader)
    # What the reader skipped beyond the drops is the rest of a line.
    assert 0 <= dropped - total <= LINE
    assert numbers(data)[-1] == 49_999


def test_a_log_that_is_missing_or_too_short(log: Path) -> None:
    with pytest.raises(DiskFailed, match=r"web\.log: No such file"):
        drop_head(str(log), 1)
    log.touch()
    assert drop_head(str(log), 0) == 0
    append(log, b"x" * 4096)
    assert drop_head(str(log), 0) == 0
    assert not os.path.exists(record_path(str(log)))


def test_the_applications_descriptor_goes_on_at_the_end(log: Path) -> None:
    with log.open("ab", buffering=0) as application:
        application.write(numbered(0, 10_000))
        drop_head(str(log), 1000)
        application.write(numbered(10_000, 10))
    remaining = numbers(read_tail(str(log), None))
    assert remaining == list(range(remaining[0], 10_010))


def test_a_reader_that_holds_the_count_makes_the_drop_wait(log: Path) -> None:
    append(log, numbered(0, 10_000))
    drop_head(str(log), 100_000)
    with open(record_path(str(log)), "rb") as record:
        fcntl.flock(record, fcntl.LOCK_SH)
        with pytest.raises(LogBusy):
            drop_head(str(log), 1)
    assert drop_head(str(log), 1) > 0


@pytest.mark.parametrize("lines", [1, 2, 5, 4000, 8192, 8193])
@pytest.mark.parametrize("end", [b"", b"no end of line"])
def test_the_last_lines(log: Path, lines: int, end: bytes) -> None:
    append(log, numbered(0, 8192) + end)
    expected = (numbered(0, 8192) + end).splitlines(keepends=True)[-lines:]
    assert read_tail(str(log), lines) == b"".join(expected)


def test_the_last_lines_of_little(log: Path) -> None:
    log.touch()
    assert read_tail(str(log), 10) == b""
    append(log, b"\n")
    assert read_tail(str(log), 10) == b"\n"
    append(log, b"\n\nx")
    assert read_tail(str(log), 2) == b"\nx"
    assert read_tail(str(log), 0) == b""
    assert read_tail(str(log), None) == b"\n\n\nx"


def test_the_last_lines_after_a_drop_begin_with_a_whole_one(log: Path) -> None:
    append(log, b"first " + numbered(0, 50_000))
    drop_head(str(log), 100_000)
    remaining = numbers(read_tail(str(log), None))
    assert remaining == list(range(remaining[0], 50_000))
    assert numbers(read_tail(str(log), 50_000)) == remaining
    assert numbers(read_tail(str(log), 3)) == [49_997, 49_998, 49_999]


def test_a_position_outlives_drops_that_it_is_not_hit_by(log: Path) -> None:
    append(log, numbered(0, 50_000))
    with LogReader(str(log)) as reader:
        reader.seek_tail(10)
        drop_head(str(log), 100_000)
        assert numbers(read_all(reader)[0]) == list(range(49_990, 50_000))
        append(log, numbered(50_000, 10))
        drop_head(str(log), 1000)
        data, dropped = read_all(reader)
    assert (numbers(data), dropped) == (list(range(50_000, 50_010)), 0)


def test_a_reader_that_falls_behind_is_told_and_goes_on_with_a_whole_line(log: Path) -> None:
    append(log, b"first " + numbered(0, 50_000))
    with LogReader(str(log)) as reader:
        first = reader.read(6)
        assert first == Piece(b"first ")
        drop_head(str(log), 100_000)
        data, dropped = read_all(reader)
    remaining = numbers(data)
    assert remaining == list(range(remaining[0], 50_000))
    assert dropped == remaining[0] * LINE


def test_an_application_that_truncates_its_log(log: Path) -> None:
    append(log, numbered(0, 100))
    with LogReader(str(log)) as reader:
        read_all(reader)
        os.truncate(log, 0)
        assert reader.read() is None
        append(log, b"anew\n")
        assert read_all(reader) == (b"anew\n", 0)


class Collector:
    """Follows a log in a task and keeps what it was given."""

    def __init__(self, log: Path, lines: int | None) -> None:
        self.pieces: list[Piece] = []
        self._follower = LogFollower(str(log), lines)
        self._more = trio.Event()

    @property
    def data(self) -> bytes:
        """All that came."""
        return b"".join(piece.data for piece in self.pieces)

    async def run(self) -> None:
        """Until cancelled."""
        with self._follower:
            async for piece in self._follower:
                self.pieces.append(piece)
                self._more.set()

    async def wait_for(self, end: bytes) -> None:
        """Until what came ends so."""
        with trio.fail_after(20):
            while not self.data.endswith(end):
                self._more = trio.Event()
                await self._more.wait()


async def test_following_begins_with_the_last_lines_and_goes_on(log: Path, nursery: trio.Nursery) -> None:
    append(log, numbered(0, 100))
    collector = Collector(log, 2)
    nursery.start_soon(collector.run)
    await collector.wait_for(numbered(99, 1))
    append(log, numbered(100, 5))
    await collector.wait_for(numbered(104, 1))
    append(log, b"a part")
    await collector.wait_for(b"a part")
    assert collector.data == numbered(98, 7) + b"a part"
    nursery.cancel_scope.cancel()


async def test_following_a_log_that_is_not_there_yet_nor_its_folder(log: Path, nursery: trio.Nursery) -> None:
    log = log.parent / "a" / "b" / log.name
    collector = Collector(log, 1)
    nursery.start_soon(collector.run)
    await trio.testing.wait_all_tasks_blocked()
    log.parent.mkdir(parents=True)
    await trio.testing.wait_all_tasks_blocked()
    append(log, b"one\ntwo\n")
    await collector.wait_for(b"two\n")
    assert collector.data == b"one\ntwo\n"
    nursery.cancel_scope.cancel()


async def test_following_a_log_that_is_removed_and_made_anew(log: Path, nursery: trio.Nursery) -> None:
    collector = Collector(log, None)
    nursery.start_soon(collector.run)
    with log.open("ab", buffering=0) as application:
        application.write(b"one\n")
        await collector.wait_for(b"one\n")
        log.unlink()
        application.write(b"two\n")
        await collector.wait_for(b"two\n")
        application.write(b"three\n")
    append(log, b"new\n")
    await collector.wait_for(b"new\n")
    append(log.with_suffix(".next"), b"newer\n")
    log.with_suffix(".next").rename(log)
    await collector.wait_for(b"newer\n")
    assert collector.data == b"one\ntwo\nthree\nnew\nnewer\n"
    nursery.cancel_scope.cancel()


WRITER = """
import os, sys
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
for number in range(int(sys.argv[2])):
    os.write(log, b"%015d\\n" % number)
"""


async def test_no_line_is_lost_or_torn_while_the_head_is_dropped_beneath_a_writer(
    log: Path, nursery: trio.Nursery
) -> None:
    count = 200_000
    log.touch()
    collector = Collector(log, None)
    nursery.start_soon(collector.run)
    dropped: list[int] = []
    writing = True

    async def write() -> None:
        nonlocal writing
        await trio.run_process([sys.executable, "-c", WRITER, str(log), str(count)])
        writing = False

    nursery.start_soon(write)
    while writing:
        if held(log) > 128 * 1024:
            try:
                dropped.append(await trio.to_thread.run_sync(drop_head, str(log), 64 * 1024))
            except LogBusy:
                await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.checkpoint()
    await collector.wait_for(numbered(count - 1, 1))
    nursery.cancel_scope.cancel()
    assert len(dropped) >= 5
    remaining = numbers(read_tail(str(log), None))
    assert remaining == list(range(remaining[0], count))
    assert abs(len(remaining) * LINE - (count * LINE - sum(dropped))) <= LINE
    # What the follower was not given it was told of: no line is missing unsaid, none came twice or out of order.
    expected = 0
    for piece in collector.pieces:
        expected += piece.dropped
        if piece.dropped:
            assert expected % LINE == 0
        assert piece.data == whole(expected, len(piece.data))
        expected += len(piece.data)
    assert expected == count * LINE


def whole(at: int, length: int) -> bytes:
    """What stands at a position of the numbered lines, which a piece may begin and end in the middle of."""
    first = at // LINE
    return numbered(first, length // LINE + 2)[at - first * LINE :][:length]


async def test_the_trim_loop_on_a_real_log(log: Path, nursery: trio.Nursery, capfd: pytest.CaptureFixture[str]) -> None:
    append(log, numbered(0, 10_000))
    warnings: list[str] = []
    cut = trio.Event()

    class Observed(HostLog):
        async def drop_head(self, keep: int) -> int:
            dropped = await super().drop_head(keep)
            cut.set()
            return dropped

    with HostLogs() as logs, Observed(logs, str(log)) as one:
        nursery.start_soon(logs.run)
        nursery.start_soon(trim_log, one, warnings.append, 100_000)
        with trio.fail_after(20):
            await cut.wait()
            cut = trio.Event()
            append(log, numbered(10_000, 10_000))
            await cut.wait()
        assert held(log) <= 100_000
        assert numbers(read_tail(str(log), 1)) == [19_999]
        nursery.cancel_scope.cancel()
    assert warnings == []
    assert capfd.readouterr().err == ""


async def test_a_write_wakes_once_and_is_remembered(log: Path, nursery: trio.Nursery) -> None:
    log.touch()
    with HostLogs() as logs, logs.open(str(log)) as one, logs.open(str(log)) as other:
        nursery.start_soon(logs.run)
        for _ in range(3):
            one.arm()
            other.arm()
            append(log, b"x")
            with trio.fail_after(5):
                await one.wait_modified()
                await other.wait_modified()
        assert one.size() == 3
        nursery.cancel_scope.cancel()


async def test_a_log_without_a_name_stays_bounded(log: Path) -> None:
    append(log, numbered(0, 10_000))
    with HostLogs() as logs, logs.open(str(log)) as one:
        one.arm()
        log.unlink()
        append(log, b"another\n")
        assert await one.drop_head(1000) > 100_000
        assert one.size() < 100_000
    assert log.read_bytes() == b"another\n"
    assert not os.path.exists(record_path(str(log)))


async def test_a_log_that_is_missing_is_an_error_of_arming(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logwatch, "MAX_LOOK", 0.0)
    with HostLogs() as logs, logs.open(str(log)) as one:
        with pytest.raises(DiskFailed, match="cannot keep the log"):
            one.arm()
        assert one.size() == 0
        await one.wait_modified()
        log.touch()
        one.arm()


@pytest.mark.parametrize("kind", ["null", "fifo"])
async def test_what_is_no_regular_file_needs_no_bound(log: Path, kind: str) -> None:
    if kind == "null":
        log.symlink_to("/dev/null")
    else:
        os.mkfifo(log)
    with HostLogs() as logs, logs.open(str(log)) as one:
        one.arm()
        one.arm()
        assert one.size() == 0


@pytest.mark.real
@pytest.mark.alone
@pytest.mark.parametrize("limit", ["max_user_watches", "max_user_instances"])
async def test_without_watches_logs_are_looked_at_in_turns(
    log: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logwatch, "MAX_LOOK", 0.0)
    log.touch()
    with limited(limit), HostLogs() as logs, logs.open(str(log)) as one:
        one.arm()
        assert f"fs.inotify.{limit}" in logs.message
        await one.wait_modified()


async def test_who_holds_the_count_stops_no_loop(log: Path, nursery: trio.Nursery) -> None:
    append(log, numbered(0, 10_000))
    drop_head(str(log), 100_000)
    collector = Collector(log, 2)
    with held_by_another(log) as let_go:
        with LogReader(str(log), waits=False) as reader:
            for look in (lambda: reader.seek_tail(1), lambda: reader.seek(0), reader.read):
                with pytest.raises(LogBusy, match=r"web\.log: somebody holds .*\.dropped"):
                    look()
        nursery.start_soon(collector.run)
        await trio.testing.wait_all_tasks_blocked()
        assert collector.pieces == []
        let_go()
        await collector.wait_for(numbered(9_999, 1))
    assert collector.data == numbered(9_998, 2)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("lines", [1, 60_000, 10_000_000])
async def test_other_tasks_go_on_while_the_last_lines_are_looked_for(
    log: Path, nursery: trio.Nursery, lines: int
) -> None:
    append(log, numbered(0, 65_536))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    nursery.start_soon(count_turns)
    with LogReader(str(log), waits=False) as reader:
        assert await seek_tail(reader, lines) == 65_536 * LINE
        assert reader.position == max(65_536 - lines, 0) * LINE
    assert turns >= min(lines * LINE, 65_536 * LINE) // CHUNK - 2
    nursery.cancel_scope.cancel()


def test_a_line_without_an_end_is_skipped_in_parts(log: Path) -> None:
    append(log, b"x" * 3_000_000)
    drop_head(str(log), 2_900_000)
    with LogReader(str(log)) as reader:
        parts = list(iter(reader.read, None))
        assert [part.data for part in parts if part is not None] == [b""] * len(parts)
        assert sum(part.dropped for part in parts if part is not None) == 3_000_000
        assert len(parts) == 3
        append(log, b"\nwhole\n")
        assert read_all(reader) == (b"whole\n", 1)


def test_what_was_dropped_is_told_though_the_log_is_busy_then(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(log, b"x" * 3000 + b"\n" + numbered(0, 10_000))
    with LogReader(str(log), waits=False) as reader:
        assert reader.read(100) == Piece(b"x" * 100)
        drop_head(str(log), 100_000)
        find, looks = reader.look, iter([False, True])

        def find_once(at: int, limit: int) -> object:
            if next(looks, False):
                raise LogBusy("busy")
            return find(at, limit)

        monkeypatch.setattr(reader, "look", find_once)
        first = reader.read(5)
        assert first is not None
        assert (first.data, first.dropped > 0) == (b"", True)
        data, dropped = read_all(reader)
    assert 100 + first.dropped + dropped + len(data) == 3001 + 10_000 * LINE
    assert numbers(data)[-1] == 9_999


def test_nothing_is_left_open(log: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    append(log, numbered(0, 10_000))
    with HostLogs() as logs, logs.open(str(log)) as one, LogFollower(str(log), None):
        one.arm()
        drop_head(str(log), 1)
        read_tail(str(log), 5)
    assert count() == before
    assert sorted(os.listdir(log.parent)) == ["web.log", "web.log.dropped"]


def test_the_end_is_where_it_was_when_the_reading_began(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_bytes(b"one\ntwo\n")
    with LogReader(str(log)) as reader:
        end = reader.seek_tail(1)
        with log.open("ab") as application:
            application.write(b"three\n")
        piece = reader.read(end - reader.position)
        assert piece is not None
        assert (piece.data, reader.position) == (b"two\n", end)
