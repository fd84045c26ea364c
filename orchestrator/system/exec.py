"""A further command in a container that runs, by the runtime and without the agent; nothing is left of it at its end.

The runtime's ``exec --detach`` makes the process and ends. This process is a child subreaper, so the command becomes
its child: its exit is seen as the kernel tells it, and no runtime stands between that could be killed. Its output comes
through pipes or a terminal of its own, since with the operator's terminal itself it could read what the operator types.
Whether the container is there is asked of its state files. Floor: system.
"""

import contextlib
import json
import math
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from orchestrator.core.exec_process import FAILED, MARK, judge_refusal
from orchestrator.model.layout import Layout
from orchestrator.model.state import InstanceState, Step
from orchestrator.ports import OutsideError, Refused, UnknownName
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.console import ConsoleSocket
from orchestrator.system.exec_streams import Streams
from orchestrator.system.reaper import Children, become_subreaper, list_children
from orchestrator.system.runtime_output import clean_message, find_message, read_from
from orchestrator.system.spawn import clean_environment, run_command
from orchestrator.system.states import is_alive, read_instances, read_names
from orchestrator.system.strays import end_tree, find_tree, is_orphan

FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""What is handed on to the command."""

START_DEADLINE = 30.0
"""Seconds that the runtime may take: for a host that hangs, not for one that is slow."""

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL where the command takes longer than it may."""

TIMED_OUT = 124
"""The exit code then, as timeout(1) has it."""

_SCRATCH = "exec-"
"""What the name of a scratch folder begins with; the mark follows."""
_STOPPING = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class ExecFailed(OutsideError):
    """The command was not run. ``code`` is the exit code that tells so: 125, 126 or 127."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


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
    try:
        config = json.loads(Path(f"{instance.folder}/config.json").read_bytes())
        process = config["process"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has no process"
        raise ExecFailed(f"cannot read {instance.folder}/config.json: {reason}") from error
    return Container(name=name, instance=instance, pid=instance.pid, process=process)


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
            with self._make_scratch() as folder, contextlib.ExitStack() as stack:
                _write(f"{folder}/process.json", json.dumps(self._process))
                options = ["--detach", "--pid-file", f"{folder}/pid", "--process", f"{folder}/process.json"]
                console = stack.enter_context(ConsoleSocket(folder)) if self._streams.with_terminal else None
                if console is not None:
                    options += ["--console-socket", console.path]
                await self._call_runtime(f"{folder}/log", options)
                # No await from here on: a signal that comes now is for the command.
                pid = int(read_from(f"{folder}/pid", 0))
                self._pidfd = os.pidfd_open(pid)
                # runc gives it a session of its own, crun leaves it in that of its command.
                self._leaders = {pid, os.getsid(pid)}
                if console is not None:
                    self._streams.connect_terminal(console.receive())
        except OSError as error:
            where = f"{error.filename}: " if error.filename is not None else ""
            raise ExecFailed(f"cannot run a command in {self._container.name}: {where}{error.strerror}") from error

    @contextlib.contextmanager
    def _make_scratch(self) -> Iterator[str]:
        """A folder for the runtime's command, private since an environment may hold what is not to be read. What a
        command line that was killed has left is removed."""
        parent = self._container.instance.folder
        for name in os.listdir(parent):
            if name.startswith(_SCRATCH) and is_orphan(name.removeprefix(_SCRATCH)):
                shutil.rmtree(f"{parent}/{name}", ignore_errors=True)
        folder = f"{parent}/{_SCRATCH}{self._mark}"
        os.mkdir(folder, 0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # the container may have ended, and its folder with it

    async def _call_runtime(self, log: str, options: Sequence[str]) -> None:
        """Raises ExecFailed with what the runtime says, OSError."""
        instance = self._container.instance
        stdin, stdout, stderr = self._streams.given
        result = await run_command(
            (
                *(instance.runtime, "--root", instance.root, "--log", log, "--log-format", "json"),
                *("exec", *options, instance.instance),
            ),
            children=Children(),
            env=clean_environment(os.environ),
            deadline=START_DEADLINE,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
        self._streams.close_given()
        if result.success:
            return
        # What it has written to the command's standard error is not shown: it says the same.
        said = find_message(read_from(log, 0)) or clean_message(self._streams.read_said()) or result.describe()
        reason = said.removeprefix("exec failed: ").removeprefix("unable to start container process: ")
        runtime = os.path.basename(instance.runtime)
        self._streams.close()
        raise ExecFailed(f"cannot run a command in {self._container.name}: {runtime}: {reason}", judge_refusal(reason))

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


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
