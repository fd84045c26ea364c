"""A further command in a container that runs, by the runtime and without the agent; nothing is left of it at its end.

The runtime's ``exec --detach`` makes the process and ends. This process is a child subreaper, so the command becomes
its child: its exit is seen as the kernel tells it, and no runtime stands between that could be killed. Its output comes
through pipes or a terminal of its own, since with the operator's terminal itself it could read what the operator types.
Whether the container is there is asked of its state files. Floor: system.
"""

import contextlib
import math
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import trio
from attrs import frozen

from orchestrator.core.exec_process import MARK
from orchestrator.model.layout import Layout
from orchestrator.model.state import InstanceState, Step
from orchestrator.ports import Refused, UnknownName
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.console import ConsoleSocket
from orchestrator.system.exec_begin import ExecFailed, begin_command, make_scratch, read_process
from orchestrator.system.exec_streams import Streams
from orchestrator.system.reaper import Children, become_subreaper, list_children
from orchestrator.system.states import is_alive, read_instances, read_names
from orchestrator.system.strays import end_tree, find_tree, is_orphan

FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""What is handed on to the command."""

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL where the command takes longer than it may."""

TIMED_OUT = 124
"""The exit code then, as timeout(1) has it."""

_STOPPING = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


@frozen(kw_only=True)
class Container:
    """What must be known of a container that runs."""

    name: str
    instance: InstanceState
    pid: int
    process: Mapping[str, Any]
    """``process`` of its config.json."""


def find_container(layout: Layout, name: str) -> Container:
    """The container of a name. Raises UnknownName, Refused where it does not run, DiskFailed, ExecFailed."""
    names = read_names(layout)
    state = next((state for state in names.states if state.name == name), None)
    if state is None:
        damaged = next((str(file) for file in names.damaged if file.name == name), None)
        if damaged is not None:
            raise ExecFailed(damaged)
        raise UnknownName(name, [state.name for state in names.states])
    instance = next((each for each in read_instances(layout).states if each.instance == state.instance), None)
    lives = instance is not None and instance.step in (Step.RUNNING, Step.STOPPING) and _is_alive(instance)
    if instance is None or instance.pid is None or not lives:
        raise Refused(f"{name} is not running")
    return Container(name=name, instance=instance, pid=instance.pid, process=read_process(instance))


def _is_alive(instance: InstanceState) -> bool:
    return (
        instance.pid is not None
        and instance.pid_start_time is not None
        and is_alive(instance.pid, instance.pid_start_time)
    )


async def run_inside(
    container: Container, process: Mapping[str, Any], *, interactive: bool, time_limit: float | None = None
) -> int:
    """Run a command in a container and return its exit code: 128 and the number for one that a signal ended, TIMED_OUT
    after ``time_limit`` seconds.

    process: by `orchestrator.core.exec_process`; where its ``terminal`` is true, standard input must be one.
    interactive: whether the command gets what comes on standard input. Raises ExecFailed and other OutsideErrors,
    perhaps in a group.
    """
    try:
        become_subreaper()
        streams = Streams(interactive=interactive, with_terminal=process["terminal"])
    except OSError as error:
        raise ExecFailed(f"cannot run a command in {container.name}: {error.strerror}") from error
    with streams, _never_stopped(), trio.open_signal_receiver(*FORWARDED, signal.SIGWINCH) as signals:
        run = _Run(container, process, streams, math.inf if time_limit is None else time_limit)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.heed, signals)
            code = await run.run()
            nursery.cancel_scope.cancel()
    return code


@contextlib.contextmanager
def _never_stopped() -> Iterator[None]:
    """Ctrl-Z does nothing: while the command's parent is stopped nobody reaps it, and while it is not reaped the kernel
    does not let the container end."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Run:
    """One command, from the runtime's exec to the last of its processes."""

    def __init__(self, container: Container, process: Mapping[str, Any], streams: Streams, time_limit: float) -> None:
        self._container = container
        self._process = process
        self._streams = streams
        self._deadline = trio.current_time() + time_limit
        self._cgroups = Cgroups()
        self._mark = next(each.partition("=")[2] for each in process["env"] if each.startswith(f"{MARK}="))
        self._pidfd = -1
        self._leaders: set[int] = set()
        self._is_late = False
        # What a signal breaks off while there is no command to hand it to: the runtime's work, or the last of the
        # output that nobody takes.
        self._breakable = trio.CancelScope()
        self._broken_off_by = 0

    async def heed(self, signals: AsyncIterator[int]) -> None:
        """Hand on what is sent to this process, for ever."""
        async for number in signals:
            if number == signal.SIGWINCH:
                self._streams.fit_terminal()
            elif self._pidfd >= 0:
                self._send(number)
            else:
                self._broken_off_by = number
                self._breakable.cancel()

    async def run(self) -> int:
        """Begin it, wait for its end, end what it leaves; the exit code. Raises OutsideError, perhaps in a group."""
        code = None
        try:
            await end_tree(self._find_strays)
            with self._breakable, self._limited():
                await self._begin()
            if self._pidfd >= 0:
                await self._attend()
        finally:
            with trio.CancelScope(shield=True):
                await end_tree(self._find_tree)
            code = self._reap()
        self._breakable = trio.CancelScope()
        with self._breakable:
            for channel in self._streams.outputs:
                await channel.finish()
        if self._is_late:
            return TIMED_OUT
        return 128 + self._broken_off_by if code is None else code

    async def _begin(self) -> None:
        """The runtime's exec. Raises ExecFailed, OutsideError."""
        try:
            with make_scratch(self._container.instance, self._mark) as folder, contextlib.ExitStack() as stack:
                console = stack.enter_context(ConsoleSocket(folder)) if self._streams.with_terminal else None
                pid = await self._call_runtime(folder, [] if console is None else ["--console-socket", console.path])
                # No await from here on: a signal that comes now is for the command.
                self._pidfd = os.pidfd_open(pid)
                # runc gives it a session of its own, crun leaves it in that of its command.
                self._leaders = {pid, os.getsid(pid)}
                if console is not None:
                    self._streams.connect_terminal(console.receive())
        except OSError as error:
            where = f"{error.filename}: " if error.filename is not None else ""
            raise ExecFailed(f"cannot run a command in {self._container.name}: {where}{error.strerror}") from error

    async def _call_runtime(self, folder: str, options: Sequence[str]) -> int:
        """The command's pid. Raises ExecFailed with what the runtime says, OSError."""
        try:
            pid = await begin_command(
                self._container.instance,
                self._process,
                folder,
                self._streams.given,
                children=Children(),
                options=options,
                read_said=self._streams.read_said,
            )
        except ExecFailed:
            self._streams.close()
            raise
        self._streams.close_given()
        return pid

    async def _attend(self) -> None:
        """Carry what the command reads and writes until it ends, or has had its time. Raises OutputLost."""
        with self._streams.raw_input():
            async with trio.open_nursery() as nursery:
                for channel in (*self._streams.inputs, *self._streams.outputs):
                    nursery.start_soon(channel.carry)
                with self._limited():
                    await trio.lowlevel.wait_readable(self._pidfd)
                if self._is_late:
                    self._send(signal.SIGTERM)
                    with trio.move_on_after(GRACE):
                        await trio.lowlevel.wait_readable(self._pidfd)
                nursery.cancel_scope.cancel()

    @contextlib.contextmanager
    def _limited(self) -> Iterator[None]:
        with trio.CancelScope(deadline=self._deadline) as scope:
            yield
        self._is_late |= scope.cancelled_caught

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def _find_tree(self) -> frozenset[int]:
        """What there is of this command, its own process included. Not all children are: the shell that this process
        was before may have left it some."""
        pids = self._list_pids()
        return find_tree(pids, self._leaders | pids.intersection(list_children()), lambda mark: mark == self._mark)

    def _find_strays(self) -> frozenset[int]:
        """What command lines that were killed have left in the container."""
        return find_tree(self._list_pids(), (), is_orphan)

    def _list_pids(self) -> frozenset[int]:
        return self._cgroups.pids(self._container.instance.cgroups_path) - {self._container.pid}

    def _reap(self) -> int | None:
        """The exit code of the command; None where there was none."""
        if self._pidfd < 0:
            return None
        ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        os.close(self._pidfd)
        self._pidfd = -1
        assert ended is not None, "only WNOHANG makes waitid return without a process"
        return ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status
