"""What a command has begun inside a container, also what is no child of it any more: found, and ended.

Control groups of its own would tell as well, but crun 1.8 puts a command that is to run in one outside of all of the
container's where the host has cgroups v1. So a process is known by the `MARK` in its environment, which children
inherit; and by its session or its parent, if it has another environment. Floor: system.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Collection, Iterable

import trio
from attrs import frozen

from orchestrator.core.exec_process import MARK
from orchestrator.ports import OutsideError
from orchestrator.system.procstat import is_alive, read_start_time

END_DEADLINE = 10.0
"""Seconds that killed processes may take to be gone."""

_PREFIX = f"{MARK}=".encode()
_LOOKS = 1000


class DoesNotEnd(OutsideError):
    """Killed processes are still there."""


@frozen
class _Look:
    parent: int
    session: int
    mark: str | None


def make_mark() -> str:
    """The value of `MARK` for this process: its pid and its start time, which name one process for ever."""
    return f"{os.getpid()}-{read_start_time(os.getpid())}"


def is_orphan(mark: str) -> bool:
    """Whether the process that set this mark is no more. False for what `make_mark` never makes."""
    pid, _, start_time = mark.partition("-")
    return pid.isdecimal() and start_time.isdecimal() and not is_alive(int(pid), int(start_time))


def find_tree(pids: Iterable[int], seeds: Collection[int], is_ours: Callable[[str], bool]) -> frozenset[int]:
    """Those of ``pids`` that are seeds or have a mark that is ours, and what shares a session with one of them or
    descends from one. A seed may have ended: the session that it led has not."""
    looks = {pid: look for pid in pids if (look := _look_at(pid)) is not None}
    found = {pid for pid, look in looks.items() if pid in seeds or (look.mark is not None and is_ours(look.mark))}
    while True:
        sessions = {*seeds, *(looks[pid].session for pid in found)}
        more = {pid for pid, look in looks.items() if look.parent in found or look.session in sessions} - found
        if not more:
            return frozenset(found)
        found |= more


async def end_tree(find: Callable[[], Collection[int]]) -> None:
    """SIGKILL to all that ``find`` finds, again and again until it finds nothing. Raises DoesNotEnd."""
    pause = 0.0005
    with trio.move_on_after(END_DEADLINE):
        while pids := find():
            for pid in sorted(pids):  # parents first, as a rule: a shell would tell of its child's end
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await trio.sleep(pause)
            pause = min(pause * 2, 0.05)
        return
    left = " ".join(str(pid) for pid in sorted(find()))
    raise DoesNotEnd(f"processes do not end {END_DEADLINE:g} s after SIGKILL: {left}")


def _look_at(pid: int) -> _Look | None:
    """None where there is no such process, or only what is left of it to be reaped."""
    for _ in range(_LOOKS):
        text = _read(f"/proc/{pid}/stat")
        if not text:
            return None
        # proc_pid_stat(5): after the name in brackets come state, parent, process group, session; env_end is field 51.
        fields = text[text.rindex(b")") + 2 :].split()
        if fields[0] in (b"Z", b"X", b"x"):
            return None
        if fields[48] != b"0":
            break
        os.sched_yield()  # in the middle of execve(2) it has no environment yet
    environ = _read(f"/proc/{pid}/environ").split(b"\0")
    marks = [each.removeprefix(_PREFIX) for each in environ if each.startswith(_PREFIX)]
    return _Look(int(fields[1]), int(fields[3]), marks[-1].decode(errors="replace") if marks else None)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # it is gone, or its environment is not ours to read
        return b""
