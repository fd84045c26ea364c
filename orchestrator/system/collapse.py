"""Dropping the head of a log in place, under an application that appends to it, and counting what was dropped.

fallocate(2) collapses whole blocks where the file system can (ext4, xfs) and punches a hole where it cannot (tmpfs,
btrfs). Beside the log, ``.dropped`` counts the bytes that were collapsed, so that a position in the log has a number
that no collapse changes. When to drop is for the trim task, reading for `logs`. Floor: system.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.core.trim import bytes_to_drop
from orchestrator.ports import DiskFailed, LogBusy

_KEEP_SIZE = 0x01
_PUNCH_HOLE = 0x02
_COLLAPSE_RANGE = 0x08

_REFUSALS = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
"""Of a file system that cannot collapse."""

_RECORD_SIZE = 21

_libc = ctypes.CDLL(None, use_errno=True)
# musl has 64-bit offsets in the plain name and no other.
_fallocate64 = _libc.fallocate64 if hasattr(_libc, "fallocate64") else _libc.fallocate
_fallocate64.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
_fallocate64.restype = ctypes.c_int


def record_path(path: str) -> str:
    """The file that counts what was collapsed of the log ``path``: a decimal number. Who changes log and count holds it
    by flock(2) exclusively, who reads both holds it shared."""
    return f"{path}.dropped"


def read_record(record: int) -> int:
    """The count in an open record; 0 where it was never written."""
    text = os.pread(record, _RECORD_SIZE, 0).strip()
    return int(text) if text.isdigit() else 0


def find_data(file: int, start: int, size: int) -> int:
    """Where data begins at or after ``start`` (lseek(2), SEEK_DATA); ``size`` where there is none."""
    try:
        return os.lseek(file, start, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size
        raise


def held_bytes(file: int) -> int:
    """How many bytes an open log holds, a hole at its head not counted."""
    size = os.fstat(file).st_size
    return size - find_data(file, 0, size)


def drop_head(path: str, keep: int) -> int:
    """Drop the head of the log ``path`` so that at least ``keep`` bytes remain, less than a block more. Returns how
    many bytes went, 0 if there is too little. Blocks while the kernel writes out what the file holds.

    Raises LogBusy while a reader holds the count, DiskFailed if the log is missing or the file system refuses."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise DiskFailed(f"cannot drop the head of the log {path}: {error.strerror}") from None
    try:
        return drop_head_of(file, path, keep)
    finally:
        os.close(file)


def drop_head_of(file: int, path: str, keep: int) -> int:
    """`drop_head` of an open log, whose path may belong to another file by now: that one's count is left alone."""
    try:
        status = os.fstat(file)
        block = max(status.st_blksize, 1)
        start = find_data(file, 0, status.st_size)
        end = (start + bytes_to_drop(status.st_size - start, keep, block)) // block * block
        if end <= start:
            return 0
        if not _is_at(path, status):
            _punch(file, end)  # whoever reads it still has it open: its positions stay as they are
            return end - start
        with _hold_record(path, status.st_mode & 0o666) as record:
            dropped = read_record(record)
            # The count first: an agent that is killed in between makes a reader see lines twice, never miss any.
            _write_record(record, dropped + end)
            try:
                _collapse(file, end)
            except OSError as error:
                _write_record(record, dropped)
                if error.errno not in _REFUSALS:
                    raise
                _punch(file, end)
        return end - start
    except BlockingIOError:
        raise LogBusy(f"cannot drop the head of the log {path}: a reader holds {record_path(path)}") from None
    except OSError as error:
        raise DiskFailed(f"cannot drop the head of the log {path}: {error.strerror}") from None


@contextmanager
def _hold_record(path: str, mode: int) -> Iterator[int]:
    # Written in place, not renamed: the lock is on this very file. 21 bytes of one page, under the lock.
    record = os.open(record_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield record
    finally:
        os.close(record)  # and with it the lock


def _write_record(record: int, count: int) -> None:
    os.pwrite(record, b"%0*d\n" % (_RECORD_SIZE - 1, count), 0)


def can_collapse(folder: str) -> bool:
    """Whether the file system of a folder collapses blocks; tried with a file without a name (O_TMPFILE of open(2)).
    Raises OSError where none can be made there."""
    file = os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    try:
        block = max(os.fstat(file).st_blksize, 1)
        os.truncate(file, 2 * block)
        _collapse(file, block)
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        return False
    finally:
        os.close(file)
    return True


def _is_at(path: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), status)
    except OSError:
        return False


def _collapse(file: int, end: int) -> None:
    _fallocate(file, _COLLAPSE_RANGE, end)


def _punch(file: int, end: int) -> None:
    _fallocate(file, _PUNCH_HOLE | _KEEP_SIZE, end)


def _fallocate(file: int, mode: int, length: int) -> None:
    if _fallocate64(file, mode, 0, length) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
