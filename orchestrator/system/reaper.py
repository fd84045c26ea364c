"""Which children of this process somebody waits for, and the end of all others: orphans of containers become ours.

The agent is a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER). What was exec'd into a container and lost its parent
is then a child of the agent; as long as such a zombie is not reaped, the container's init hangs in the kernel and its
end is never seen. So orphans are reaped at once, and nobody else's children are. Who waits for what is the business
of `orchestrator.system.spawn` and `orchestrator.system.process`. Floor: system.
"""

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import trio

from orchestrator.ports import OutsideError

LOOK_AGAIN_AFTER = 1.0
"""Seconds until the children are looked at again where that failed."""

_PR_SET_CHILD_SUBREAPER = 36
"""prctl(2), from <linux/prctl.h>."""


def become_subreaper() -> None:
    """Let descendants that lose their parent become children of this process. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl PR_SET_CHILD_SUBREAPER: {os.strerror(number)}")


class Children:
    """The children that somebody waits for, by pid; the reaper leaves these alone.

    A child is added in the same step that makes or finds it, with no await between, and discarded by whoever has
    reaped it. Used from the thread of the event loop only.
    """

    def __init__(self) -> None:
        self._waited_for: set[int] = set()
        self._holds = 0
        self._held_back = False
        self._records: list[dict[int, os.waitid_result]] = []

    def add(self, pid: int) -> None:
        """Somebody waits for this child from now on."""
        self._waited_for.add(pid)

    def __contains__(self, pid: object) -> bool:
        return pid in self._waited_for

    def discard(self, pid: int) -> None:
        """It is reaped: its number may come again and mean another."""
        self._waited_for.discard(pid)

    def give_up(self, pid: int) -> None:
        """Nobody waits for it any more: it is the reaper's, also if it ended long ago. Nothing if it was discarded."""
        if pid in self._waited_for:
            self._waited_for.discard(pid)
            _ask_for_a_look()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """While a container is created, its init becomes our child before its pid is known: leave it alone.

        Only what may be such an init is left; an orphan inside a container is reaped meanwhile too.
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds and self._held_back:
                self._held_back = False
                _ask_for_a_look()

    @contextlib.contextmanager
    def record(self) -> Iterator[Mapping[int, os.waitid_result]]:
        """While the block runs, how those that the reaper reaps have ended, by pid: what a command begins may have
        ended before it is known which process it is."""
        record: dict[int, os.waitid_result] = {}
        self._records.append(record)
        try:
            yield record
        finally:
            self._records = [other for other in self._records if other is not record]

    def reap(self, pids: Iterable[int]) -> list[int]:
        """Reap those of these children that have ended and that nobody waits for; their pids."""
        reaped = []
        for pid in pids:
            if pid in self._waited_for:
                continue
            if self._holds and _may_be_init(pid):
                self._held_back = True
                continue
            # Whoever does not tell us what it waits for may have been quicker: subprocess in a test.
            with contextlib.suppress(ChildProcessError):
                ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
                if ended is not None:
                    reaped.append(pid)
                    for record in self._records:
                        record[pid] = ended
        return reaped


async def reap_orphans(
    children: Children,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Reap every child that ended and that nobody waits for, for ever: one task of the agent, begun before any child.

    Signals coalesce, so each one is only a hint to look at all children. Costs nothing while nothing ends, and needs no
    descriptor that it does not hold from the beginning: with none left, the end of containers, which gives some back,
    waits for just this. Raises OutsideError if it cannot begin.
    """
    with contextlib.ExitStack() as stack:
        try:
            listing = stack.enter_context(open_children())
        except OSError as error:
            raise OutsideError(f"cannot see which children this process has: {error.strerror}") from error
        signals = stack.enter_context(trio.open_signal_receiver(signal.SIGCHLD))
        await _reap_listed(children, listing)
        task_status.started()
        async for _ in signals:
            await _reap_listed(children, listing)


async def _reap_listed(children: Children, listing: int) -> None:
    while True:
        try:
            children.reap(read_children(listing))
        except OSError:  # no memory: that passes
            await trio.sleep(LOOK_AGAIN_AFTER)
        else:
            return


@contextlib.contextmanager
def open_children() -> Iterator[int]:
    """The kernel's list of the children of this process, for `read_children`: /proc/self/task/TID/children, proc(5).

    That of the first thread, which begins all commands, and which the kernel gives every orphan to. Raises OSError.
    """
    descriptor = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_children(listing: int) -> list[int]:
    """The children of this process as they are now, zombies among them. Raises OSError."""
    text = b""
    while part := os.pread(listing, 65536, len(text)):
        text += part
    return [int(pid) for pid in text.split()]


def list_children() -> list[int]:
    """As `read_children`, for one look. Raises OSError."""
    with open_children() as listing:
        return read_children(listing)


def _ask_for_a_look() -> None:
    """Wake the reaper where one runs; SIGCHLD is ignored where none does."""
    signal.raise_signal(signal.SIGCHLD)


def _may_be_init(pid: int) -> bool:
    """Whether a child may be the first process of a container: process 1 of an inner pid namespace, or one in ours.

    What was exec'd into a container has another number there.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:  # no descriptor left: it is looked at again when nothing is created any more
        return True
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) < 2 or numbers[-1] == "1"
