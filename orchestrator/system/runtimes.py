"""The runtime that an agent works with, and beside it those that made what an earlier one has left.

A runtime reads no state but its own: the container that another has made can be removed without that, but only the one
that made it can tell of it, and change its limits. Which one is to make new ones is chosen by
`orchestrator.system.probe_runtime`; here that is done with regard to what runs. Floor: system.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import trio
from attrs import frozen

from orchestrator.model.bundle import Instance
from orchestrator.model.cgroups import CgroupDriver, find_scope
from orchestrator.model.layout import Layout
from orchestrator.model.resources import Resources
from orchestrator.model.state import InstanceState
from orchestrator.ports import DiskFailed, Process, Runtime, RuntimeFailed, RuntimeStatus
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.manager import list_drivers
from orchestrator.system.probe_runtime import choose_runtime, find_command, probe_runtime, read_version
from orchestrator.system.railcar import find_obstacle, make_runtime
from orchestrator.system.reaper import Children
from orchestrator.system.runtime import OciRuntime
from orchestrator.system.states import is_alive, read_instances

AGAIN_AFTER = 5.0
"""Seconds until a runtime that does not work is tried again."""


class Runtimes:
    """Implements `orchestrator.ports.Runtime`: ``own`` makes what is new; about the others is asked who made them."""

    def __init__(self, own: Runtime, instances: Iterable[InstanceState], make: Callable[[str], Runtime]) -> None:
        """instances: what an earlier agent has left. make: the runtime with a command."""
        self._own = own
        foreign = {state.instance: state.runtime for state in instances if state.runtime != own.command}
        self._makers = {command: make(command) for command in sorted(set(foreign.values()))}
        self._made_by = {identity: self._makers[command] for identity, command in foreign.items()}
        self._known = {state.instance for state in instances}

    @property
    def name(self) -> str:
        """See `orchestrator.ports.Runtime`."""
        return self._own.name

    @property
    def command(self) -> str:
        """See `orchestrator.ports.Runtime`."""
        return self._own.command

    @property
    def root(self) -> str:
        """See `orchestrator.ports.Runtime`."""
        return self._own.root

    def check_program(self) -> None:
        """See `orchestrator.ports.Runtime`."""
        self._own.check_program()

    async def create(self, instance: Instance, descriptors: Sequence[int] = ()) -> Process:
        """See `orchestrator.ports.Runtime`."""
        self._known.add(instance.id)
        return await self._own.create(instance, descriptors)

    async def start(self, instance_id: str, folder: str) -> None:
        """See `orchestrator.ports.Runtime`."""
        await self._own.start(instance_id, folder)

    async def update(self, instance_id: str, folder: str, cgroups_path: str, resources: Resources) -> None:
        """See `orchestrator.ports.Runtime`."""
        runtime = self._made_by.get(instance_id, self._own)
        await runtime.update(instance_id, folder, cgroups_path, resources)

    async def remove(self, instance_id: str, folder: str, cgroups_path: str) -> None:
        """See `orchestrator.ports.Runtime`. By one for all, which knows what is being created meanwhile."""
        await self._own.remove(instance_id, folder, cgroups_path)
        self._made_by.pop(instance_id, None)
        self._known.discard(instance_id)

    async def query(self, instance_id: str) -> RuntimeStatus | None:
        """See `orchestrator.ports.Runtime`. Where nobody knows who made it all are asked."""
        asked: Iterable[Runtime] = (self._made_by.get(instance_id, self._own),)
        if instance_id not in self._known:
            asked = (self._own, *self._makers.values())
        for runtime in asked:
            status = await runtime.query(instance_id)
            if status is not None:
                return status
        return None

    async def list_instances(self) -> tuple[str, ...]:
        """See `orchestrator.ports.Runtime`."""
        return await self._own.list_instances()

    def kill_all(self, cgroups_path: str) -> None:
        """See `orchestrator.ports.Runtime`."""
        self._own.kill_all(cgroups_path)

    def count_oom_kills(self, cgroups_path: str) -> int:
        """See `orchestrator.ports.Runtime`."""
        return self._own.count_oom_kills(cgroups_path)


@frozen
class Taken:
    """The runtimes to begin with: ``own`` makes what is new, which it can if it ``works``."""

    runtimes: Runtimes
    own: OciRuntime
    works: bool


async def take_runtimes(
    wanted: str, layout: Layout, children: Children, cgroups: Cgroups, say: Callable[[str], None]
) -> Taken:
    """Choose the runtime, ``wanted`` being as `choose_runtime` has it: ``auto`` prefers the one that made most of what
    runs. Where something runs, one that does not work is taken too: there is much to do that needs none.

    Raises RuntimeFailed where none works and nothing runs, and DiskFailed.
    """
    instances = read_instances(layout).states
    living = tuple(
        state
        for state in instances
        if state.pid is not None and state.pid_start_time is not None and is_alive(state.pid, state.pid_start_time)
    )
    made = Counter(state.runtime for state in living)
    commands = [command for command, _ in made.most_common()]

    def make(command: str, driver: CgroupDriver = CgroupDriver.CGROUPFS) -> OciRuntime:
        name = os.path.basename(command)
        return make_runtime(name, command, layout.runtime_root, children, cgroups, driver=driver)

    works = True
    try:
        own = await choose_runtime(
            wanted,
            preferred=commands,
            root=layout.runtime_root,
            scratch=layout.probe,
            parent_group=layout.cgroup_root,
            children=children,
            cgroups=cgroups,
            say=say,
            drivers=list_drivers(),
        )
    except RuntimeFailed:
        if not living:
            raise
        scopes = any(find_scope(state.cgroups_path) is not None for state in living)
        own = make(choose_command(wanted, commands), CgroupDriver.SYSTEMD if scopes else CgroupDriver.CGROUPFS)
        works = False
    for command in commands:
        if command != own.command:
            say(f"{made[command]} of what runs was made by {command}, which is asked about that on")
    return Taken(Runtimes(own, instances, make), own, works)


def choose_command(wanted: str, commands: Sequence[str]) -> str:
    """The program of a runtime that does not work, absolute. commands: those that made what runs, which are some."""
    if wanted == "auto":
        return commands[0]
    if "/" in wanted:
        return os.path.abspath(wanted)
    alike = (command for command in commands if os.path.basename(command) == wanted)
    return find_command(wanted, os.environ) or next(alike, commands[0])


async def await_runtime(
    runtime: OciRuntime, layout: Layout, children: Children, cgroups: Cgroups, tell: Callable[[str], object]
) -> None:
    """Try a runtime that did not work until it does. tell: told why it does not, and an empty text when it does."""
    while True:
        try:
            if obstacle := find_obstacle(runtime.name, cgroups.hierarchies):
                raise RuntimeFailed(obstacle)
            await probe_runtime(runtime, layout.probe, layout.cgroup_root, cgroups, os.environ)
        except (RuntimeFailed, DiskFailed) as error:
            tell(f"the OCI runtime does not work, and what runs goes on: {runtime.command}: {error}")
        else:
            runtime.version = await read_version(runtime.command, children, os.environ)
            tell("")
            return
        await trio.sleep(AGAIN_AFTER)
