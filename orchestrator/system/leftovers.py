"""Commands of a runtime, and of plugin kinds, that an agent that was killed had begun, and that go on without it: they
are found, and waited for or ended.

What such a command has made by then is undone by `orchestrator.system.runtime`. Floor: system.
"""

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import trio

EXEC_GRACE = 0.5
"""Seconds that a command may take after its spawn to show its command line; until then it cannot be found by it."""
COMMAND_PATIENCE = 5.0
"""Seconds that a command of an earlier agent may take to come to its own end."""
MARKED_PATIENCE = 10.0
"""Seconds that one of a kind may."""
MARK = "ORCHESTRATOR_INSTANCE"
"""The variable that says for which instance a kind has begun a command."""
END_DEADLINE = 10.0
"""Seconds that a killed command may take to be gone."""


async def await_commands(root: str, instance_id: str) -> None:
    """Wait for the end of the commands that an agent that is no more began for this instance: until then it is not
    known what comes of them. A ``start`` that is killed may have let the application begin, and not have noted it; so
    only those are killed that take too long. Raises OSError."""
    with watch_processes(find_commands(root, instance_id)) as pidfds, trio.move_on_after(COMMAND_PATIENCE):
        for pidfd in pidfds:
            await trio.lowlevel.wait_readable(pidfd)
        return
    await _end_processes(find_commands(root, instance_id))


async def end_commands(root: str, instance_id: str, folder: str) -> None:
    """Kill the commands that an agent that is no more began for this instance, and that may be at work still: a
    ``create`` goes on, a ``start`` of what is gone hangs.

    Where that agent was killed in the very moment of the spawn, the command line is not to be seen yet: look again
    until the folder, which is made just before, is old enough.
    """
    pids = find_commands(root, instance_id)
    while not pids and 0 <= _age(folder) < EXEC_GRACE:
        await trio.sleep(EXEC_GRACE / 20)
        pids = find_commands(root, instance_id)
    await _end_processes(pids)


async def await_marked(instance_id: str) -> None:
    """The same for the commands of kinds, with all that these have begun: what they do to the host can be undone once
    they have done it. What takes longer than `MARKED_PATIENCE` is killed. Raises OSError."""
    with watch_processes(find_marked(instance_id)) as pidfds, trio.move_on_after(MARKED_PATIENCE):
        for pidfd in pidfds:
            await trio.lowlevel.wait_readable(pidfd)
        return
    await _end_processes(find_marked(instance_id))


def find_marked(instance_id: str) -> list[int]:
    """The processes that have `MARK` for this instance in their environment. Raises OSError."""
    wanted = f"{MARK}={instance_id}".encode()
    pids = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if wanted in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                pids.append(int(name))
    return pids


def find_commands(root: str, instance_id: str) -> list[int]:
    """The processes whose command line is one of a runtime for this instance. Raises OSError."""
    wanted = {b"--root", root.encode()}
    pids = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")[:-1]
            if words and words[-1] == instance_id.encode() and wanted <= set(words):
                pids.append(int(name))
    return pids


async def _end_processes(pids: Sequence[int]) -> None:
    """Kill processes with their groups, each in a session of its own, and wait at most END_DEADLINE for their end."""
    with watch_processes(pids) as pidfds:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                group = os.getpgid(pid)
                os.killpg(group, signal.SIGKILL) if group == os.getsid(pid) else os.kill(pid, signal.SIGKILL)
        with trio.move_on_after(END_DEADLINE):
            for pidfd in pidfds:
                await trio.lowlevel.wait_readable(pidfd)


@contextlib.contextmanager
def watch_processes(pids: Sequence[int]) -> Iterator[list[int]]:
    """Pidfds of those of the processes that are there, to wait for their end by. Raises OSError."""
    with contextlib.ExitStack() as stack:
        pidfds = []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                pidfds.append(os.pidfd_open(pid))
                stack.callback(os.close, pidfds[-1])
        yield pidfds


def _age(folder: str) -> float:
    """Seconds since something in a folder was made; infinite where there is none."""
    try:
        return time.time() - os.stat(folder).st_ctime
    except FileNotFoundError:
        return math.inf
