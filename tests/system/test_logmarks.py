"""Marks beside a real log, and what is read by them."""

import fcntl
import os
from pathlib import Path

import pytest

from orchestrator.core.marks import MOST_MARKS, Mark
from orchestrator.ports import DiskFailed, LogBusy
from orchestrator.system.collapse import drop_head, record_path
from orchestrator.system.logmarks import Start, find_start, mark_position, mark_start, marks_path, read_marks
from orchestrator.system.logs import LogReader
from orchestrator.system.logwatch import HostLogs


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "web.log"


def write(log: Path, text: str) -> None:
    """What the application does."""
    with log.open("a") as application:
        application.write(text)


def test_marks_are_made_when_something_was_written(log: Path) -> None:
    mark_start(str(log), "web-1", 10.0)
    write(log, "first\n")
    mark_position(str(log), 20.0)
    mark_position(str(log), 30.0)
    write(log, "second\n")
    mark_position(str(log), 40.0)
    assert read_marks(str(log)) == (Mark(10.0, 0, "web-1"), Mark(20.0, 6), Mark(40.0, 13))
    assert marks_path(str(log)) == f"{log}.marks"


def test_who_may_read_the_log_may_read_its_marks(log: Path) -> None:
    write(log, "first\n")
    log.chmod(0o640)
    mark_start(str(log), "web-1", 10.0)
    assert os.stat(marks_path(str(log))).st_mode & 0o777 == 0o640


def test_of_a_log_that_is_not_there_nothing_is_noted(log: Path) -> None:
    mark_position(str(log), 10.0)
    assert read_marks(str(log)) == ()
    assert os.listdir(log.parent) == []


def test_positions_count_what_was_dropped(log: Path) -> None:
    write(log, f"{'x' * 99}\n" * 1000)
    mark_position(str(log), 10.0)
    dropped = drop_head(str(log), 10_000)
    assert dropped > 0
    mark_position(str(log), 20.0)
    write(log, "y\n")
    mark_position(str(log), 30.0)
    assert read_marks(str(log)) == (Mark(10.0, 100_000), Mark(30.0, 100_002))
    start = find_start(str(log), 15.0)
    assert start == Start(100_000)
    with LogReader(str(log)) as reader:
        reader.seek_line(start.position)
        piece = reader.read()
    assert piece is not None
    assert piece.data == b"y\n"


def test_an_application_that_truncates_its_log_begins_anew(log: Path) -> None:
    write(log, "first\n")
    mark_start(str(log), "web-1", 10.0)
    os.truncate(log, 0)
    write(log, "2\n")
    mark_position(str(log), 20.0)
    assert read_marks(str(log)) == (Mark(20.0, 2),)


def test_what_was_cut_short_by_a_crash_is_left_out(log: Path) -> None:
    write(log, "first\n")
    mark_start(str(log), "web-1", 10.0)
    with open(marks_path(str(log)), "ab") as file:
        file.write(b"20.0")
    for at in (30.0, 40.0, 50.0):
        write(log, "more\n")
        mark_position(str(log), at)
    assert read_marks(str(log)) == (Mark(10.0, 6, "web-1"), Mark(40.0, 16), Mark(50.0, 21))


def test_there_are_never_more_than_a_bound_of_them(log: Path) -> None:
    for number in range(4 * MOST_MARKS):
        write(log, "x\n")
        mark_position(str(log), 1769860800.0 + number)
    assert os.stat(marks_path(str(log))).st_size <= MOST_MARKS * 48 + 256
    marks = read_marks(str(log))
    assert marks[-1].position == 8 * MOST_MARKS
    # Within the last quarter nothing is thinner than every few seconds.
    assert find_start(str(log), 1769860800.0 + 4 * MOST_MARKS - 100).position >= 2 * (4 * MOST_MARKS - 104)


def test_while_somebody_holds_the_log_a_mark_is_left_out_and_a_start_is_not(log: Path) -> None:
    write(log, f"{'x' * 99}\n" * 1000)
    drop_head(str(log), 10_000)
    with open(record_path(str(log)), "rb") as record:
        fcntl.flock(record, fcntl.LOCK_EX)
        mark_start(str(log), "web-1", 10.0)
        (first,) = read_marks(str(log))
        assert 0 < first.position < 100_000, "where the log begins: more is not known"
        with pytest.raises(LogBusy):
            mark_position(str(log), 20.0)
        fcntl.flock(record, fcntl.LOCK_UN)
        mark_position(str(log), 30.0)
        write(log, "y\n")
        fcntl.flock(record, fcntl.LOCK_EX)
        mark_start(str(log), "web-2", 40.0)
    expected = (first, Mark(30.0, 100_000), Mark(40.0, 100_000, "web-2"))
    assert read_marks(str(log)) == expected
    mark_position(str(log), 50.0)
    assert read_marks(str(log)) == (*expected, Mark(50.0, 100_002))


def test_a_start_in_a_log_that_is_held_and_was_truncated(log: Path) -> None:
    write(log, f"{'x' * 99}\n" * 1000)
    drop_head(str(log), 10_000)
    mark_start(str(log), "web-1", 10.0)
    os.truncate(log, 10)
    with open(record_path(str(log)), "rb") as record:
        fcntl.flock(record, fcntl.LOCK_EX)
        mark_start(str(log), "web-2", 20.0)
    mark_position(str(log), 30.0)
    assert [mark.instance for mark in read_marks(str(log))] == ["web-2"]


@pytest.mark.parametrize(
    ("marks", "since", "start"),
    [
        ("", 100.0, Start(0, known=False)),
        ("nonsense\n", 100.0, Start(0, known=False)),
        ("100.000 0 web-1\n200.000 6 -\n", 150.0, Start(0)),
        ("100.000 0 web-1\n200.000 6 -\n", 50.0, Start(0)),
        ("100.000 0 web-1\n200.000 6 -\n", 250.0, Start(6)),
        ("200.000 6 -\n", 50.0, Start(0, known=False)),
        ("100.000 600 -\n", 150.0, Start(0, known=False)),
    ],
)
def test_where_what_was_written_since_begins(log: Path, marks: str, since: float, start: Start) -> None:
    write(log, "first\nsecond\n")
    Path(marks_path(str(log))).write_text(marks)
    assert find_start(str(log), since) == start


def test_without_marks_nothing_is_known_and_an_empty_log_needs_none(log: Path) -> None:
    write(log, "")
    assert find_start(str(log), 100.0) == Start(0)
    write(log, "first\n")
    assert find_start(str(log), 100.0) == Start(0, known=False)


async def test_only_the_logs_of_applications_are_marked(log: Path) -> None:
    write(log, "first\n")
    with HostLogs() as logs, logs.open(str(log)) as other, logs.open(str(log), marked=True) as one:
        other.mark()
        assert read_marks(str(log)) == ()
        one.mark()
        assert [mark.position for mark in read_marks(str(log))] == [6]


async def test_marks_that_cannot_be_written_are_one_line(log: Path) -> None:
    write(log, "first\n")
    os.mkdir(marks_path(str(log)))
    with HostLogs() as logs, logs.open(str(log), marked=True) as one:
        with pytest.raises(DiskFailed) as caught:
            one.mark()
        assert str(caught.value) == f"cannot write the marks of the log {log}: Is a directory"
