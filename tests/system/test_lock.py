"""One agent a directory, whatever becomes of the one before."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.system.lock import LockTaken, hold_lock

HOLDER = """
import sys
from orchestrator.system.lock import hold_lock
with hold_lock(sys.argv[1]):
    print(flush=True)
    sys.stdin.read()
"""


def test_the_second_is_told_who_has_it(tmp_path: Path) -> None:
    lock = f"{tmp_path}/lock"
    ours = rf"another agent \(pid {os.getpid()}\) has {tmp_path}"
    with hold_lock(lock), pytest.raises(LockTaken, match=ours), hold_lock(lock):
        pass
    with hold_lock(lock):
        assert Path(lock).read_text() == f"{os.getpid()}\n"


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    lock = f"{tmp_path}/lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(LockTaken), hold_lock(lock):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with hold_lock(lock):
        pass
    holder.stdin.close()
    holder.stdout.close()


def test_a_lock_file_that_was_removed_is_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "run" / "lock"
    path.parent.mkdir()
    with hold_lock(str(path)) as lock:
        assert lock.is_held()
        path.unlink()
        assert not lock.is_held()
        lock.take_again()
        assert lock.is_held()
        with pytest.raises(LockTaken), hold_lock(str(path)):
            pass
        path.unlink()
        with hold_lock(str(path)):
            assert not lock.is_held()
            with pytest.raises(LockTaken):
                lock.take_again()
        path.unlink()
        path.parent.rmdir()
        with pytest.raises(LockTaken, match="cannot open"):
            lock.take_again()
        path.parent.mkdir()
        lock.take_again()
        assert lock.is_held()


def test_a_lock_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LockTaken, match="cannot open the lock"), hold_lock(f"{tmp_path}/no/lock"):
        pass
