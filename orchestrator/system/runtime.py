"""An OCI runtime by its command line: create, start, update, remove. https://github.com/opencontainers/runtime-spec

Three things make it whole. The command's streams become the container's, so they are the log file and never a pipe,
and its own message is read from a log of its own. A command is shielded from cancellation and has a deadline. What a
killed command leaves is cleared without the runtime's help: its processes, its control groups, its state folder.
Which runtime to use is chosen by `orchestrator.system.probe_runtime`. Floor: system.
"""

import contextlib
import json
import math
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import trio

from orchestrator.model.bundle import Instance
from orchestrator.model.definition import Resources
from orchestrator.ports import OutsideError, RuntimeFailed
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.process import PidfdProcess, ProcessGone, open_process
from orchestrator.system.reaper import Children
from orchestrator.system.runtime_output import clean_message, find_message, open_scratch, read_from, size_of
from orchestrator.system.spawn import clean_environment, run_command
from orchestrator.system.unmount import unmount_below

# Deadlines in seconds. They are for a host that hangs, not for one that is slow.
CREATE_DEADLINE = 30.0
START_DEADLINE = 30.0
UPDATE_DEADLINE = 10.0
DELETE_DEADLINE = 10.0
KILL_DEADLINE = 10.0
"""How long what was killed may take to be gone."""
EXEC_GRACE = 0.5
"""How long after its spawn a command may take to show its command line; until then it cannot be found by it."""


class OciRuntime:
    """A program with the common command line of crun, runc and youki. Implements `orchestrator.ports.Runtime`."""

    def __init__(
        self,
        name: str,
        command: str,
        root: str,
        children: Children,
        cgroups: Cgroups,
        wrapper: tuple[str, ...] = (),
        *,
        version: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """command, root: absolute paths. wrapper: a command that is put before it and that must exec it."""
        self._name = name
        self._command = command
        self._root = root
        self._children = children
        self._cgroups = cgroups
        self._wrapper = wrapper
        self._environ = clean_environment(os.environ if environ is None else environ)
        self._creating = 0
        # The instances whose create came to an end, well or not, under our eyes: no other agent works on these.
        self._watched: set[str] = set()
        self.version = version
        """What it says of itself, for people."""

    @property
    def name(self) -> str:
        """What it is: ``runc``, ``crun``, ``youki``."""
        return self._name

    @property
    def command(self) -> str:
        """The absolute path of its program."""
        return self._command

    @property
    def root(self) -> str:
        """The ``--root`` that it is given."""
        return self._root

    async def create(self, instance: Instance) -> PidfdProcess:
        """``create``, with the instance's log as its output. See `orchestrator.ports.Runtime`."""
        pid_file = f"{instance.folder}/pid"
        arguments = ("--bundle", instance.folder, "--pid-file", pid_file, instance.id)
        try:
            log = os.open(instance.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            what = f"cannot create container {instance.id}: cannot open its log {instance.log}: {error.strerror}"
            raise RuntimeFailed(what) from error
        self._creating += 1
        try:
            with self._children.hold():
                await self._run("create", instance.id, instance.folder, arguments, CREATE_DEADLINE, output=log)
                # No await from here on: its init is held by nobody else yet.
                return open_process(_read_pid(pid_file), self._children)
        except (OSError, ValueError) as error:
            what = f"cannot create container {instance.id}: {self._name} has left no pid in {pid_file}"
            raise RuntimeFailed(what) from error
        except ProcessGone as error:
            raise RuntimeFailed(f"cannot create container {instance.id}: {error}") from error
        finally:
            self._watched.add(instance.id)
            self._creating -= 1
            os.close(log)

    async def start(self, instance_id: str, folder: str) -> None:
        """``start``. Shielded: who cancels it would not know whether the application began. Raises RuntimeFailed."""
        await self._run("start", instance_id, folder, (instance_id,), START_DEADLINE)

    async def update(self, instance_id: str, folder: str, cgroups_path: str, resources: Resources) -> None:
        """``update``. Memory is given together with swap, since v1 refuses a limit above that of the two together, and
        a limit that is no more as -1. Raises RuntimeFailed if it does not hold afterwards."""
        what = f"cannot update container {instance_id}"
        limit = resources.memory
        if not self._cgroups.has_memory:
            if limit is not None:
                raise RuntimeFailed(f"{what}: this host has no memory controller")
            return
        held = self._cgroups.memory_held(cgroups_path)
        if limit is not None and held is not None and held > limit:
            raise RuntimeFailed(f"{what}: a memory limit of {limit} is below what it uses, {held}")
        value = -1 if limit is None else limit
        memory = {"limit": value, "swap": value} if self._cgroups.counts_swap(cgroups_path) else {"limit": value}
        with open_scratch(json.dumps({"memory": memory}).encode()) as stdin:
            arguments = ("--resources", "-", instance_id)
            await self._run("update", instance_id, folder, arguments, UPDATE_DEADLINE, stdin=stdin)
        try:
            now = self._cgroups.memory_limit(cgroups_path)
        except OSError as error:
            raise RuntimeFailed(f"{what}: cannot read its memory limit back: {error}") from error
        # The kernel keeps whole pages.
        page = os.sysconf("SC_PAGE_SIZE")
        expected = None if limit is None else limit // page * page
        if now.memory != expected or ("swap" in memory and now.memory_and_swap != expected):
            raise RuntimeFailed(
                f"{what}: the kernel holds memory {now.memory}, with swap {now.memory_and_swap}, not {expected}"
            )

    async def remove(self, instance_id: str, folder: str, cgroups_path: str) -> None:
        """Undo whole, also after a create that was killed at any moment, by this agent or with it; idempotent.

        Shielded. Raises RuntimeFailed if something is left.
        """
        with trio.CancelScope(shield=True):
            try:
                await self._remove(instance_id, folder, cgroups_path)
            except (OSError, OutsideError) as error:
                raise RuntimeFailed(f"cannot remove container {instance_id}: {error}") from error

    async def list_instances(self) -> tuple[str, ...]:
        """The ids that have a state folder below `root`.

        Not by ``list``: runtimes leave out, or fail at, just what matters here, the folder of a create that was
        killed before its state was written. Raises RuntimeFailed.
        """
        try:
            with os.scandir(self._root) as entries:
                # Names with a dot are the runtime's own, as crun's cache.
                return tuple(sorted(e.name for e in entries if e.is_dir() and not e.name.startswith(".")))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise RuntimeFailed(
                f"cannot list the containers of {self._name} in {self._root}: {error.strerror}"
            ) from error

    def kill_all(self, cgroups_path: str) -> None:
        """SIGKILL to every process in the cgroup."""
        self._cgroups.kill_all(cgroups_path)

    def count_oom_kills(self, cgroups_path: str) -> int:
        """How often the kernel killed in this cgroup for want of memory; 0 where it cannot be told."""
        return self._cgroups.count_oom_kills(cgroups_path)

    async def _run(
        self,
        action: str,
        instance_id: str,
        folder: str,
        arguments: Sequence[str],
        deadline: float,
        *,
        stdin: int | None = None,
        output: int | None = None,
    ) -> None:
        """One command of the runtime, shielded. Raises RuntimeFailed with the runtime's own message."""
        # A removed folder must not keep the runtime from deleting.
        log = f"{folder}/runtime.log" if _is_there(folder) else os.devnull
        argv = (
            *(*self._wrapper, self._command),
            *("--root", self._root, "--log", log, "--log-format", "json"),
            *(action, *arguments),
        )
        log_start = size_of(log)
        with trio.CancelScope(shield=True), open_scratch() as scratch:
            stream = scratch if output is None else output
            said_from = os.fstat(stream).st_size
            try:
                result = await run_command(
                    argv,
                    children=self._children,
                    env=self._environ,
                    deadline=deadline,
                    stdin=stdin,
                    stdout=stream,
                    stderr=stream,
                )
            except OSError as error:
                raise RuntimeFailed(f"cannot {action} container {instance_id}: {argv[0]}: {error.strerror}") from error
            if result.success:
                return
            said = read_from(f"/proc/self/fd/{stream}", said_from).splitlines()
        reason = f"took longer than {deadline:g} s" if result.timed_out else result.describe()
        message = find_message(read_from(log, log_start)) or clean_message(said[-1] if said else "")
        raise RuntimeFailed(
            f"cannot {action} container {instance_id}: {self._name}: "
            + (f"{reason}: {message}" if message and result.code is None else message or reason)
        )

    async def _remove(self, instance_id: str, folder: str, cgroups_path: str) -> None:
        if instance_id not in self._watched:
            await _end_commands(self._root, instance_id, folder)
        try:
            pid = _read_pid(f"{folder}/pid")
        except (FileNotFoundError, ValueError):
            pid = None
        await self._empty(cgroups_path, pid)
        state = f"{self._root}/{instance_id}"
        if _is_there(state):
            try:
                await self._run("delete", instance_id, folder, (instance_id,), DELETE_DEADLINE)
            except RuntimeFailed:
                await self._delete_by_force(instance_id, folder, state)
        await self._empty(cgroups_path, None)
        await self._cgroups.remove(cgroups_path)
        # A runtime makes the parent first and then the group: between the two it must not lose the parent.
        if not self._creating:
            self._cgroups.remove_parent(cgroups_path)
        self._watched.discard(instance_id)

    async def _delete_by_force(self, instance_id: str, folder: str, state: str) -> None:
        """``delete --force``; and a state folder that the runtime cannot read is removed without it."""
        with contextlib.suppress(RuntimeFailed):
            await self._run("delete", instance_id, folder, ("--force", instance_id), DELETE_DEADLINE)
        if _is_there(state):
            # runc mounts its own program there for a moment, and leaves that when it is killed just then.
            unmount_below(state)
            shutil.rmtree(state)

    async def _empty(self, cgroups_path: str, init: int | None) -> None:
        """Kill all in its cgroup and wait until they are gone. Raises RuntimeFailed after KILL_DEADLINE."""
        pids = self._cgroups.pids(cgroups_path)
        if not pids:
            return
        # A group no longer lists a process that has begun to end, but the runtime sees the init until it has ended.
        with _watch([init] if init in pids else []) as pidfds:
            self._cgroups.kill_all(cgroups_path)
            with trio.move_on_after(KILL_DEADLINE):
                for pidfd in pidfds:
                    await trio.lowlevel.wait_readable(pidfd)
                pause = 0.0005
                while self._cgroups.pids(cgroups_path):
                    await trio.sleep(pause)
                    pause = min(pause * 2, 0.05)
                return
        left = " ".join(str(pid) for pid in sorted(self._cgroups.pids(cgroups_path))) or str(init)
        raise RuntimeFailed(f"processes do not end {KILL_DEADLINE:g} s after SIGKILL: {left}")


async def _end_commands(root: str, instance_id: str, folder: str) -> None:
    """Kill the commands that an agent that is no more began for this instance, and that may be at work still: a
    ``create`` goes on, a ``start`` of what is gone hangs.

    Where that agent was killed in the very moment of the spawn, the command line is not to be seen yet: look again
    until the folder, which is made just before, is old enough.
    """
    pids = _find_commands(root, instance_id)
    while not pids and 0 <= _age(folder) < EXEC_GRACE:
        await trio.sleep(EXEC_GRACE / 20)
        pids = _find_commands(root, instance_id)
    await _end_processes(pids)


def _find_commands(root: str, instance_id: str) -> list[int]:
    """The processes whose command line is one of a runtime for this instance."""
    wanted = {b"--root", root.encode()}
    pids = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")[:-1]
            if words and words[-1] == instance_id.encode() and wanted <= set(words):
                pids.append(int(name))
    return pids


async def _end_processes(pids: Sequence[int]) -> None:
    """Kill processes with their groups, each in a session of its own, and wait at most KILL_DEADLINE for their end."""
    with _watch(pids) as pidfds:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                group = os.getpgid(pid)
                os.killpg(group, signal.SIGKILL) if group == os.getsid(pid) else os.kill(pid, signal.SIGKILL)
        with trio.move_on_after(KILL_DEADLINE):
            for pidfd in pidfds:
                await trio.lowlevel.wait_readable(pidfd)


@contextlib.contextmanager
def _watch(pids: Sequence[int]) -> Iterator[list[int]]:
    """Pidfds of the processes that are there."""
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


def _is_there(path: str) -> bool:
    return os.path.lexists(path)


def _read_pid(path: str) -> int:
    """What a runtime wrote as its ``--pid-file``. Raises FileNotFoundError, ValueError."""
    return int(Path(path).read_text())
