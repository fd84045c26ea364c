"""The first process of a container, held by a pidfd: how it ends, whether or not it is a child of ours.

A pid alone may be another process by the time one looks; pid and start time name one for ever. Who may be waited for
and reaped is kept by `orchestrator.system.reaper`. Floor: system.
"""

import contextlib
import fcntl
import os
import select
import signal
import struct
import time

import trio

from orchestrator.model.life import Exit
from orchestrator.ports import OutsideError
from orchestrator.system.procstat import read_start_time
from orchestrator.system.reaper import Children

PARENT_GRACE = 5.0
"""Seconds that another parent may take to reap a process whose end we have seen; then its status is unknown."""

# PIDFD_GET_INFO, <linux/pidfd.h>: _IOWR(0xFF, 11, struct pidfd_info), the struct's first version of 64 bytes. The mask
# is its first u64; with PIDFD_INFO_EXIT in it (Linux 6.15) the wait status stands in its last four bytes.
_INFO = struct.Struct("=Q52xi")
_PIDFD_GET_INFO = 3 << 30 | _INFO.size << 16 | 0xFF << 8 | 11
_PIDFD_INFO_EXIT = 1 << 3

_REAPED = -1
"""What /proc/PID/fdinfo shows as the ``Pid:`` of a pidfd whose process was waited for."""


class ProcessGone(OutsideError):
    """There is no such process (any more), its pid is another's by now, or it cannot be held."""


class PidfdProcess:
    """A process that was found by pid and start time. Implements `orchestrator.ports.Process`."""

    def __init__(self, pid: int, start_time: int, pidfd: int, children: Children) -> None:
        self._pid = pid
        self._start_time = start_time
        self._pidfd = pidfd
        self._children = children
        self._exit: Exit | None = None
        # Only one task may wait for a descriptor at a time; the others wait for that one.
        self._turn = trio.Lock()

    @property
    def pid(self) -> int:
        """Its process id as the host counts."""
        return self._pid

    @property
    def start_time(self) -> int:
        """Field 22 of /proc/PID/stat: clock ticks since boot."""
        return self._start_time

    @property
    def descriptor(self) -> int:
        """The pidfd; -1 once it is given up."""
        return self._pidfd

    async def wait(self) -> Exit:
        """Wait until it has ended and take its exit status, which reaps a child. See `orchestrator.ports.Process`.

        Neither code nor signal is set where it is no child and the kernel does not tell (Linux before 6.15).
        """
        async with self._turn:
            if self._exit is None:
                await trio.lowlevel.wait_readable(self._pidfd)
                self._exit = self._reap() or await _read_status(self._pidfd)
        return self._exit

    def _reap(self) -> Exit | None:
        """The exit of a child; None if it is not ours."""
        try:
            ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        except ChildProcessError:
            return None
        assert ended is not None, "only WNOHANG makes waitid return without a process"
        self._children.discard(self._pid)
        if ended.si_code == os.CLD_EXITED:
            return Exit(code=ended.si_status, at=time.time())
        return Exit(signal=ended.si_status, at=time.time())

    def send_signal(self, number: int) -> None:
        """pidfd_send_signal(2). A process that has ended, or that was given up, is no error."""
        if self._pidfd < 0 or self._exit is not None:
            return
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            return

    def close(self) -> None:
        """Give up the descriptor. A child that was not waited for is left to the reaper. May be called twice."""
        if self._pidfd < 0:
            return
        trio.lowlevel.notify_closing(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        if self._exit is None:
            self._children.give_up(self._pid)


def open_process(pid: int, children: Children, start_time: int | None = None) -> PidfdProcess:
    """Hold a process by a pidfd; if it is a child of ours, it is waited for here from now on.

    start_time: what it must be, for a process that is known from earlier. Raises ProcessGone.
    """
    pidfd = -1
    try:
        before = read_start_time(pid)
        if before is None:  # asked first: a number from a damaged file may be none that a process can have
            raise ProcessLookupError
        pidfd = os.pidfd_open(pid)
        after = read_start_time(pid)
    except ProcessLookupError as error:
        raise ProcessGone(f"cannot open process {pid}: it is gone") from error
    except OSError as error:
        if pidfd >= 0:
            os.close(pidfd)
        raise ProcessGone(f"cannot open process {pid}: {error.strerror}") from error
    # The same start time on both sides: the pid was not given to another between the look and the open.
    if before != after or start_time not in (None, before):
        os.close(pidfd)
        raise ProcessGone(f"cannot open process {pid}: the process that is meant is gone")
    if _is_child(pidfd):
        children.add(pid)
    return PidfdProcess(pid, before, pidfd, children)


def adopt_pidfd(pidfd: int, pid: int, start_time: int, children: Children) -> PidfdProcess:
    """Hold the process that a pidfd from elsewhere is of; it may have ended, and have been reaped, long ago.

    The descriptor belongs to the result. Raises ProcessGone where it is not of the process with this id and this start
    time; then it is closed.
    """
    try:
        held = _read_pid(pidfd)
        # Who was reaped has no number any more, and no start time to compare: it was held under its own name.
        fits = held == _REAPED or (held == pid and read_start_time(pid) in (start_time, None))
    except OSError as error:
        os.close(pidfd)
        raise ProcessGone(f"cannot hold process {pid}: {error.strerror}") from error
    if not fits:
        os.close(pidfd)
        raise ProcessGone(f"cannot hold process {pid}: the descriptor that was kept is not its")
    if held == pid and _is_child(pidfd):
        children.add(pid)
    return PidfdProcess(pid, start_time, pidfd, children)


def _read_pid(pidfd: int) -> int | None:
    """The process id that a pidfd is of, `_REAPED` if it has none any more; None for another kind of descriptor.
    proc_pid_fdinfo(5). Raises OSError."""
    with open(f"/proc/self/fdinfo/{pidfd}", "rb") as file:
        words = file.read().split()
    return int(words[words.index(b"Pid:") + 1]) if b"Pid:" in words else None


def _is_child(pidfd: int) -> bool:
    try:
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


async def _read_status(pidfd: int) -> Exit:
    """The exit of a process that ended and whose parent is another: the kernel has it once that one has reaped it."""
    status = _ask_status(pidfd)
    if status is None:
        # A hang-up, and nothing else, says that it was reaped; epoll reports that one without being asked to. With no
        # descriptor left for that, the exit is unknown.
        with contextlib.suppress(OSError), select.epoll(1) as poll, trio.move_on_after(PARENT_GRACE):
            poll.register(pidfd, 0)
            await trio.lowlevel.wait_readable(poll.fileno())
        status = _ask_status(pidfd)
    if status is None or status < 0:
        return Exit(at=time.time())
    code = os.waitstatus_to_exitcode(status)
    return Exit(code=code, at=time.time()) if code >= 0 else Exit(signal=-code, at=time.time())


def tells_exits() -> bool | None:
    """Whether the kernel tells how a process ended that was reaped by another, by asking it of one; None where that
    cannot be tried. For a moment this process has a child of which no `Children` knows."""
    try:
        pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 0"], {})
    except OSError:
        return None
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        pidfd = -1
    os.waitpid(pid, 0)
    if pidfd < 0:
        return None
    try:
        status = _ask_status(pidfd)
    finally:
        os.close(pidfd)
    return status is not None and status >= 0


def _ask_status(pidfd: int) -> int | None:
    """The wait status by PIDFD_GET_INFO; None if it is not reaped yet, -1 if this kernel will never tell."""
    buffer = bytearray(_INFO.pack(_PIDFD_INFO_EXIT, 0))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, buffer)
    except OSError:  # ENOTTY, EINVAL: before 6.13; ESRCH: before 6.15, and reaped
        return -1
    mask, status = _INFO.unpack(buffer)
    return int(status) if mask & _PIDFD_INFO_EXIT else None
