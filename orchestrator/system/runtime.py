"""An OCI runtime by its command line: create, start, update, remove. https://github.com/opencontainers/runtime-spec

Three things make it whole. The command's streams become the container's, so they are the log file and never a pipe,
and its own message is read from a log of its own. A command is shielded from cancellation and has a deadline. What a
killed command leaves is cleared without the runtime's help: its processes, its control groups, its state folder.
What a killed agent's commands go on to do is ended by `orchestrator.system.leftovers`; which runtime to use is chosen
by `orchestrator.system.probe_runtime`. A command by itself is `orchestrator.system.runtime_command`'s. Floor: system.
"""

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import trio

from orchestrator.model.bundle import Instance
from orchestrator.model.cgroups import CgroupDriver, find_scope
from orchestrator.model.resources import Resources
from orchestrator.ports import OutsideError, RuntimeFailed, RuntimeStatus
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.emptying import empty_group
from orchestrator.system.leftovers import await_commands, end_commands
from orchestrator.system.limits import are_descriptors_left, descriptor_limit
from orchestrator.system.logtarget import open_output
from orchestrator.system.manager import stop_scope
from orchestrator.system.process import PidfdProcess, open_process
from orchestrator.system.reaper import Children
from orchestrator.system.runtime_command import RuntimeProgram, failing, is_there
from orchestrator.system.runtime_output import open_scratch, read_status
from orchestrator.system.spawn import clean_environment
from orchestrator.system.unmount import unmount_below
from orchestrator.system.update import choose_no_limit, update_limits

# Deadlines in seconds. They are for a host that hangs, not for one that is slow.
CREATE_DEADLINE = 30.0
START_DEADLINE = 30.0
UPDATE_DEADLINE = 10.0
DELETE_DEADLINE = 10.0
QUERY_DEADLINE = 10.0
DESCRIPTORS_KEPT = 16
"""How many descriptors must be left for a create: a container is not begun where it could not be looked after and
ended, which needs a few for a moment."""
DESCRIPTORS_EACH = 4
"""How many more for each create that is under way: what a container holds, and its start."""


class OciRuntime:
    """A program with the common command line of crun, runc and youki. Implements `orchestrator.ports.Runtime`."""

    program_type: ClassVar[type[RuntimeProgram]] = RuntimeProgram
    """What its commands are put together by."""

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
        driver: CgroupDriver = CgroupDriver.CGROUPFS,
    ) -> None:
        """command, root: absolute paths. wrapper: a command that is put before it and that must exec it. driver: who
        is to make the control groups; those that there are may be another's."""
        self._root = root
        self._children = children
        self._cgroups = cgroups
        self._wrapper = wrapper
        environ = clean_environment(os.environ if environ is None else environ)
        self._program = self.program_type(name, command, root, children, wrapper, environ, driver)
        # As many starts as processors, and as many removals beside them: more would only be in each other's way, and a
        # runtime takes 10 MB and more.
        processors = len(os.sched_getaffinity(0))
        self._starts = trio.CapacityLimiter(processors)
        self._removals = trio.CapacityLimiter(processors)
        self._creating = 0
        # The instances whose create came to an end under our eyes, and whether it ended well: no other agent works on
        # these.
        self._watched: dict[str, bool] = {}
        self.version = version
        """What it says of itself, for people."""
        self.driver = driver
        """Who makes the control groups."""

    @property
    def name(self) -> str:
        """What it is: ``runc``, ``crun``, ``youki``."""
        return self._program.name

    @property
    def command(self) -> str:
        """The absolute path of its program."""
        return self._program.command

    @property
    def root(self) -> str:
        """The ``--root`` that it is given."""
        return self._root

    def check_program(self) -> None:
        """See `orchestrator.ports.Runtime`."""
        self._program.check()

    async def create(self, instance: Instance, descriptors: Sequence[int] = ()) -> PidfdProcess:
        """``create``, with its output where the instance's is to go. See `orchestrator.ports.Runtime`."""
        what = f"cannot create container {instance.id}"
        self._creating += 1
        try:
            with failing(what):
                self._need_descriptors()
                with open_output(instance) as output, self._children.hold():
                    process = await self._create(instance, output, descriptors)
            self._watched[instance.id] = True
            return process
        finally:
            self._watched.setdefault(instance.id, False)
            self._creating -= 1

    async def _create(self, instance: Instance, output: int, descriptors: Sequence[int]) -> PidfdProcess:
        pid_file = f"{instance.folder}/pid"
        handed = ("--preserve-fds", str(len(descriptors))) if descriptors else ()
        arguments = ("--bundle", instance.folder, "--pid-file", pid_file, *handed, instance.id)
        with trio.CancelScope(shield=True):
            async with self._starts:
                await self._program.run(
                    "create",
                    instance.id,
                    instance.folder,
                    arguments,
                    CREATE_DEADLINE,
                    output=output,
                    descriptors=descriptors,
                )
        # No await from here on: its init is held by nobody else yet.
        try:
            pid = _read_pid(pid_file)
        except (FileNotFoundError, ValueError) as error:
            what = f"cannot create container {instance.id}: {self.name} has left no pid in {pid_file}"
            raise RuntimeFailed(what) from error
        return open_process(pid, self._children)

    def _need_descriptors(self) -> None:
        needed = DESCRIPTORS_KEPT + DESCRIPTORS_EACH * self._creating
        if not are_descriptors_left(needed):
            limit = descriptor_limit()
            raise OutsideError(f"fewer than {needed} of the {limit} descriptors that this agent may open are left")

    async def start(self, instance_id: str, folder: str) -> None:
        """``start``. Shielded: who cancels it would not know whether the application began. Raises RuntimeFailed."""
        with trio.CancelScope(shield=True), failing(f"cannot start container {instance_id}"):
            async with self._starts:
                await self._program.run("start", instance_id, folder, (instance_id,), START_DEADLINE)

    async def update(self, instance_id: str, folder: str, cgroups_path: str, resources: Resources) -> None:
        """``update``: all of the resources hold afterwards, or those before do. Raises RuntimeFailed if not all do."""

        async def command(rendered: bytes) -> None:
            await self._update(instance_id, folder, cgroups_path, rendered)

        with failing(f"cannot update container {instance_id}"):
            hierarchies = self._cgroups.hierarchies
            no_limit = choose_no_limit(self.name, hierarchies)
            await update_limits(cgroups_path, resources, hierarchies, command, no_limit)

    async def _update(self, instance_id: str, folder: str, cgroups_path: str, rendered: bytes) -> None:
        """Let limits hold, which are as in ``linux.resources``. Raises OutsideError, OSError."""
        with open_scratch(rendered) as stdin:
            arguments = ("--resources", "-", instance_id)
            await self._program.run("update", instance_id, folder, arguments, UPDATE_DEADLINE, stdin=stdin)

    async def remove(self, instance_id: str, folder: str, cgroups_path: str) -> None:
        """Undo whole, also after a create that was killed at any moment, by this agent or with it; idempotent.

        Shielded. Raises RuntimeFailed if something is left.
        """
        with trio.CancelScope(shield=True), failing(f"cannot remove container {instance_id}", always=True):
            await self._remove(instance_id, folder, cgroups_path)

    async def query(self, instance_id: str) -> RuntimeStatus | None:
        """``state``. See `orchestrator.ports.Runtime`."""
        if not is_there(f"{self._root}/{instance_id}"):
            return None
        what = f"cannot ask for the state of container {instance_id}"
        with trio.CancelScope(shield=True), failing(what, always=True):
            if instance_id not in self._watched:
                await self._await_commands(instance_id)
            text = await self._program.ask("state", instance_id, QUERY_DEADLINE)
        return None if text is None else read_status(text)

    async def _await_commands(self, instance_id: str) -> None:
        """Wait for those of an agent that is no more. Raises OSError."""
        await await_commands(self._root, instance_id)

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
                f"cannot list the containers of {self.name} in {self._root}: {error.strerror}"
            ) from error

    def kill_all(self, cgroups_path: str) -> None:
        """SIGKILL to every process in the cgroup. Raises RuntimeFailed."""
        with failing(f"cannot kill all of cgroup {cgroups_path}"):
            self._cgroups.kill_all(cgroups_path)

    def count_oom_kills(self, cgroups_path: str) -> int:
        """How often the kernel killed in this cgroup for want of memory; 0 where it cannot be told."""
        return self._cgroups.count_oom_kills(cgroups_path)

    async def _remove(self, instance_id: str, folder: str, cgroups_path: str) -> None:
        if instance_id not in self._watched:
            await end_commands(self._root, instance_id, folder)
        try:
            pid = _read_pid(f"{folder}/pid")
        except (FileNotFoundError, ValueError):
            pid = None
        await empty_group(self._cgroups, cgroups_path, pid)
        state = f"{self._root}/{instance_id}"
        if is_there(state):
            async with self._removals:
                await self._delete(instance_id, folder, state)
        await empty_group(self._cgroups, cgroups_path, None)
        scope = find_scope(cgroups_path)
        # A create that was killed may have asked for a scope of which there is no group yet.
        if scope is not None and (not self._watched.get(instance_id) or self._cgroups.exists(cgroups_path)):
            await stop_scope(scope, self._children)
        await self._cgroups.remove(cgroups_path)
        # A runtime makes the parent first and then the group: between the two it must not lose the parent. That of a
        # scope is systemd's.
        if scope is None and not self._creating:
            self._cgroups.remove_parent(cgroups_path)
        self._watched.pop(instance_id, None)

    async def _delete(self, instance_id: str, folder: str, state: str) -> None:
        """``delete``, of what has ended. state: its state folder."""
        try:
            await self._program.run("delete", instance_id, folder, (instance_id,), DELETE_DEADLINE)
        except RuntimeFailed:
            await self._delete_by_force(instance_id, folder, state)

    async def _delete_by_force(self, instance_id: str, folder: str, state: str) -> None:
        """``delete --force``; and a state folder that the runtime cannot read, or for which there is none to be run any
        more, is removed without it."""
        with contextlib.suppress(RuntimeFailed):
            await self._program.run("delete", instance_id, folder, ("--force", instance_id), DELETE_DEADLINE)
        if is_there(state):
            # runc mounts its own program there for a moment, and leaves that when it is killed just then.
            unmount_below(state)
            shutil.rmtree(state)


def _read_pid(path: str) -> int:
    """What a runtime wrote as its ``--pid-file``. Raises FileNotFoundError, ValueError."""
    return int(Path(path).read_text())
