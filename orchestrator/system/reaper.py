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
from collections.abc import Iterator
from pathlib import Path

import trio

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

    def reap(self) -> list[int]:
        """Reap the children that have ended and that nobody waits for; their pids."""
        reaped = []
        for pid in list_children():
            if pid in self._waited_for:
                continue
            if self._holds and _may_be_init(pid):
                self._held_back = True
                continue
            # Whoever does not tell us what it waits for may have been quicker: subprocess in a test.
            with contextlib.suppress(ChildProcessError):
                if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is not None:
                    reaped.append(pid)
        return reaped


async def reap_orphans(
    children: Children,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Reap every child that ended and that nobody waits for, for ever: one task of the agent, begun before any child.

    Signals coalesce, so each one is only a hint to look at all children. Costs nothing while nothing ends.
    """
    with trio.open_signal_receiver(signal.SIGCHLD) as signals:
        children.reap()
        task_status.started()
        async for _ in signals:
            children.reap()


def list_children() -> list[int]:
    """The children of this process, of all its threads, zombies among them: /proc/self/task/TID/children, proc(5)."""
    pids: list[int] = []
    for task in os.listdir("/proc/self/task"):
        # A thread may end while the folder is read; the kernel gives its children to another one.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pids.extend(int(pid) for pid in Path(f"/proc/self/task/{task}/children").read_text().split())
    return pids


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
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) < 2 or numbers[-1] == "1"
