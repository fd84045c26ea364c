"""A probe by a command that is run in the container, as `orchestrator exec` runs one: nothing is left of it at its end.

The runtime's own part is never broken off: what it has half made could not be told from the application's processes.
Floor: system.
"""

import contextlib
import os

import trio

from orchestrator.core.exec_process import FAILED, Wanted, make_exec_process
from orchestrator.model.health import ExecHealth
from orchestrator.model.state import InstanceState
from orchestrator.ports import NotAsked
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.closing import Closing
from orchestrator.system.exec_begin import ExecFailed, begin_command, make_scratch, read_process
from orchestrator.system.reaper import Children
from orchestrator.system.runtime_output import clean_message
from orchestrator.system.strays import end_tree, find_tree, is_orphan, make_mark

RUNTIME_DEADLINE = 10.0
"""Seconds that the runtime may take to begin it: for a host that hangs."""

KEPT = 4096
"""Bytes of its output that are looked at; the rest is dropped."""

_CHUNK = 65536


class ExecProbe:
    """One command in one container."""

    def __init__(
        self,
        health: ExecHealth,
        instance: InstanceState,
        children: Children,
        cgroups: Cgroups,
        runtimes: trio.CapacityLimiter,
    ) -> None:
        """runtimes: how many runtimes may be at work at a time."""
        self._health = health
        self._instance = instance
        self._children = children
        self._cgroups = cgroups
        self._runtimes = runtimes
        self._mark = make_mark()
        self._leaders: set[int] = set()

    async def ask(self) -> str:
        """Why it is not well, in one line, or an empty text. Raises NotAsked, OSError, other OutsideErrors."""
        with contextlib.ExitStack() as place:
            await self._runtimes.acquire()
            place.callback(self._runtimes.release)
            return await self._ask(place)

    async def _ask(self, place: contextlib.ExitStack) -> str:
        """place: among the runtimes at work, to be left when this one has ended."""
        # Not before: what was waited for until now are others.
        deadline = trio.current_time() + self._health.timeout
        with _Pipe() as pipe, self._children.record() as reaped:
            begun: int | None = None
            try:
                with trio.CancelScope(shield=True):
                    pid = begun = await self._begin(pipe.writer)
                # No await since the runtime has ended: the reaper has had it by now, or leaves it to us from here on.
                place.close()
                pipe.close_writer()
                self._leaders = {pid}
                ended = reaped.get(pid) or await self._attend(pid, pipe, deadline)
            except ExecFailed as error:
                if error.code == FAILED:
                    raise  # that is the runtime's own failure, and says nothing of the command
                return f"cannot run {self._health.args[0]}: {error.reason}"
            finally:
                with trio.CancelScope(shield=True):
                    await end_tree(self._find_tree)
                if begun is not None:
                    self._children.give_up(begun)
            pipe.take()
        return self._judge(ended, pipe.said)

    async def _begin(self, output: int) -> int:
        """Its pid."""
        wanted = Wanted(args=self._health.args, mark=self._mark)
        process = make_exec_process(read_process(self._instance), wanted)
        with make_scratch(self._instance, self._mark) as scratch:
            return await begin_command(
                self._instance,
                process,
                scratch,
                (None, output, output),
                children=self._children,
                deadline=RUNTIME_DEADLINE,
            )

    async def _attend(self, pid: int, pipe: "_Pipe", deadline: float) -> os.waitid_result | None:
        """How it has ended; None where it has not in time."""
        self._children.add(pid)
        pidfd = os.pidfd_open(pid)
        try:
            # runc gives it a session of its own, crun leaves it in that of its command.
            self._leaders.add(os.getsid(pid))
            if trio.current_time() >= deadline:
                raise NotAsked(f"{os.path.basename(self._instance.runtime)} takes longer than a probe may")
            with trio.move_on_at(deadline):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(pipe.drain)
                    await trio.lowlevel.wait_readable(pidfd)
                    nursery.cancel_scope.cancel()
                self._children.discard(pid)
                return _reap(pidfd)
        finally:
            os.close(pidfd)
        return None

    def _judge(self, ended: os.waitid_result | None, said: bytes) -> str:
        if ended is None:
            return f"no answer within {self._health.timeout:g} s"
        if ended.si_code != os.CLD_EXITED:
            return f"signal {ended.si_status}"
        if ended.si_status == 0:
            return ""
        first = clean_message(said.decode(errors="replace").strip().partition("\n")[0])
        return f"exit code {ended.si_status}{f': {first}' if first else ''}"

    def _find_tree(self) -> frozenset[int]:
        """What there is of this command; and of those of agents that were killed, and of command lines."""
        pids = self._cgroups.pids(self._instance.cgroups_path) - {self._instance.pid}
        return find_tree(pids, self._leaders, lambda mark: mark == self._mark or is_orphan(mark))


def _reap(pidfd: int) -> os.waitid_result | None:
    """How a child has ended that has."""
    return os.waitid(os.P_PIDFD, pidfd, os.WEXITED)


class _Pipe(Closing):
    """What the command writes. As much of it as is needed is kept, and all is read, so that it is never held up."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self.said = b""

    async def drain(self) -> None:
        """Read until nobody writes any more."""
        while self.take():
            await trio.lowlevel.wait_readable(self._reader)

    def take(self) -> bool:
        """Read what there is; whether more may come."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._reader, _CHUNK)
            self.said += data[: KEPT - len(self.said)]
            return bool(data)
        return True

    def close_writer(self) -> None:
        """The command has its end. May be called twice."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """See `Closing.close`."""
        self.close_writer()
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1
