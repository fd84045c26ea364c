"""Running a command to its end: posix_spawn, a pidfd, and nothing left of it whatever happens.

Own code, because the process must be known as a child that is waited for before it can end (the reaper takes all
others), and because a thread for each process costs more than the rest of a start. It knows nothing of containers.
Floor: system.
"""

import contextlib
import fcntl
import os
import signal
from collections.abc import Mapping, Sequence

import trio
from attrs import frozen

from orchestrator.ports import OutsideError
from orchestrator.system.reaper import Children, list_children

KILL_GRACE = 5.0
"""Seconds that a killed command is waited for: only one that the kernel holds (uninterruptible sleep) takes longer."""

FIRST = 3
"""The first of the descriptors that a command is given beside its streams."""

_PRIVATE_PREFIXES = ("LISTEN_", "WATCHDOG_")
_PRIVATE_NAMES = frozenset({"NOTIFY_SOCKET"})
_DEFAULT_SIGNALS = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}


@frozen
class CommandResult:
    """How a command ended: exactly one of ``code`` (0-255) and ``signal`` (its number) is set.

    ``timed_out``: it was killed at its deadline; then both may be None, if even the kill did not end it in time.
    """

    code: int | None
    signal: int | None
    timed_out: bool = False

    @property
    def success(self) -> bool:
        """It ended by itself with code 0."""
        return self.code == 0 and not self.timed_out

    def describe(self) -> str:
        """``"exit code 1"``, ``"signal 9"`` or ``"took too long"``."""
        if self.timed_out:
            return "took too long"
        return f"signal {self.signal}" if self.signal is not None else f"exit code {self.code}"


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child: without what systemd means for this process alone (sd_listen_fds(3),
    sd_notify(3), sd_watchdog_enabled(3)), which runtimes would act on or pass on."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _PRIVATE_NAMES and not name.startswith(_PRIVATE_PREFIXES)
    }


def keep_descriptors_private() -> None:
    """Let no command inherit a descriptor above 2 that this process was started with; once, before the first command.

    Those that Python opens are private already; those of a shell or of systemd (sd_listen_fds(3)) are not. Raises
    OutsideError.
    """
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError as error:
        raise OutsideError(f"cannot see which descriptors this process has: {error.strerror}") from error
    for number in numbers:
        if number > 2:
            with contextlib.suppress(OSError):  # the descriptor of the folder itself is closed by now
                os.set_inheritable(number, False)


async def run_command(
    argv: Sequence[str],
    *,
    children: Children,
    env: Mapping[str, str],
    deadline: float,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    gently: float = 0.0,
    session: bool = True,
    descriptors: Sequence[int] = (),
) -> CommandResult:
    """Run a program in a session of its own and wait until it has ended, at most ``deadline`` seconds.

    argv: the program's absolute path first. stdin, stdout, stderr: open descriptors, or None for /dev/null; a pipe
    would be waited for as long as any descendant holds it, so output goes to a file. descriptors: what it has from 3
    on. At the deadline, when cancelled, and when it fails, every process of its group is killed and reaped before this
    returns. gently: of one that has not ended by then, seconds that its group has to clear up, from SIGTERM on.
    session: without, it has a process group of its own only: a new session is a new group for the scheduler (sched(7),
    "The autogroup feature"), which on a busy host waits 8 ms for its first turn. Signals are at their defaults in it
    and none is blocked. Raises OSError when the program cannot be started.
    """
    pid = _spawn(argv, env, (stdin, stdout, stderr), descriptors, session=session)
    children.add(pid)
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:  # no descriptor left: it must not run on unwatched
        os.killpg(pid, signal.SIGKILL)
        children.give_up(pid)
        raise
    timed_out = True
    try:
        with trio.move_on_after(deadline):
            await trio.lowlevel.wait_readable(pidfd)
            timed_out = False
        if not timed_out and _has_succeeded(pidfd):
            return _reap(pidfd, timed_out=False)
        if timed_out:
            await _ask_group(pid, pidfd, gently)
        return await _kill_group(pid, pidfd, timed_out=timed_out)
    except trio.Cancelled:
        await _ask_group(pid, pidfd, gently)
        await _kill_group(pid, pidfd, timed_out=False)
        raise
    finally:
        os.close(pidfd)
        children.give_up(pid)


def _spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    streams: tuple[int | None, int | None, int | None],
    descriptors: Sequence[int],
    *,
    session: bool,
) -> int:
    actions: list[tuple[object, ...]] = []
    for number, stream in enumerate(streams):
        if stream is None:
            actions.append((os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0))
        else:
            actions.append((os.POSIX_SPAWN_DUP2, stream, number))
    # First out of the way of each other: one of them may have the number that another is to have.
    with contextlib.ExitStack() as copies:
        for number, descriptor in enumerate(descriptors, FIRST):
            copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST + len(descriptors))
            copies.callback(os.close, copy)
            actions.append((os.POSIX_SPAWN_DUP2, copy, number))
        return _spawn_with(argv, env, actions, session=session)


def _spawn_with(
    argv: Sequence[str], env: Mapping[str, str], actions: Sequence[tuple[object, ...]], *, session: bool
) -> int:
    # Python ignores SIGPIPE and SIGXFSZ, and whoever started the agent may have ignored more; what is ignored is
    # inherited, right into the container.
    return os.posix_spawn(
        argv[0],
        list(argv),
        dict(env),
        file_actions=actions,
        **({"setsid": True} if session else {"setpgroup": 0}),
        setsigmask=[],
        setsigdef=_DEFAULT_SIGNALS,
    )


async def _ask_group(pid: int, pidfd: int, patience: float) -> None:
    """Have a command end by itself, within so many seconds, whatever is cancelled meanwhile. It is not reaped."""
    if patience <= 0:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
    with trio.CancelScope(shield=True), trio.move_on_after(patience):
        await trio.lowlevel.wait_readable(pidfd)


async def _kill_group(pid: int, pidfd: int, *, timed_out: bool) -> CommandResult:
    """Kill a command with all of its process group, and reap those that are or become our children.

    Its own zombie stays until the end, so that the group's number stays its own.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with trio.CancelScope(shield=True), trio.move_on_after(KILL_GRACE):
        await trio.lowlevel.wait_readable(pidfd)
        await _reap_group(pid)
        return _reap(pidfd, timed_out=timed_out)
    return CommandResult(None, None, timed_out=True)


async def _reap_group(leader: int) -> None:
    """Reap the members of a killed group, which become our children one generation after the other.

    Without a descriptor left to wait for them by, they are left to the reaper.
    """
    with contextlib.suppress(OSError):
        while members := [pid for pid in list_children() if pid != leader and _group_of(pid) == leader]:
            for pid in members:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    await _reap_member(os.pidfd_open(pid))


async def _reap_member(pidfd: int) -> None:
    try:
        await trio.lowlevel.wait_readable(pidfd)
        _reap(pidfd, timed_out=True)
    finally:
        os.close(pidfd)


def _group_of(pid: int) -> int | None:
    """The process group of a child, a zombie too; None if it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _has_succeeded(pidfd: int) -> bool:
    """Whether a child that has ended did so with code 0; it is not reaped yet."""
    ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
    return ended is not None and ended.si_code == os.CLD_EXITED and ended.si_status == 0


def _reap(pidfd: int, *, timed_out: bool) -> CommandResult:
    """Take the status of a child that has ended. Raises ChildProcessError if it is not ours."""
    ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    assert ended is not None, "only WNOHANG makes waitid return without a process"
    if ended.si_code == os.CLD_EXITED:
        return CommandResult(ended.si_status, None, timed_out)
    return CommandResult(None, ended.si_status, timed_out)
