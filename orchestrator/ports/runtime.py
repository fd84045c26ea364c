"""An OCI runtime, and the first process of a container. Floor: ports."""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from orchestrator.model.bundle import Instance
from orchestrator.model.life import Exit
from orchestrator.model.resources import Resources
from orchestrator.model.state import InstanceState


class Process(Protocol):
    """The first process of a container, held by a pidfd: it can never be mistaken for another."""

    @property
    def pid(self) -> int:
        """Its process id as the host counts."""
        ...

    @property
    def start_time(self) -> int:
        """Field 22 of /proc/PID/stat: clock ticks since boot."""
        ...

    @property
    def descriptor(self) -> int:
        """The pidfd that it is held by; -1 where it is not held (any more)."""
        ...

    async def wait(self) -> Exit:
        """Wait until it has ended and take its exit status (which reaps it). ``oom`` is left False. May be cancelled
        and called again; the status is taken once and remembered."""
        ...

    def send_signal(self, number: int) -> None:
        """pidfd_send_signal(2). A process that has ended already is no error."""
        ...

    def close(self) -> None:
        """Give up the descriptor. May be called twice."""
        ...


@frozen
class RuntimeStatus:
    """What a runtime says of a container that it knows: runtime-spec runtime.md, "State"."""

    status: str
    """``creating``, ``created``, ``running``, ``stopped``, or a word of the runtime's own."""
    pid: int
    """As the host counts; 0 where there is none any more."""

    @property
    def started(self) -> bool:
        """Whether the application has begun, whatever has become of it."""
        return self.status not in ("creating", "created")


class Processes(Protocol):
    """The processes that an earlier agent has left."""

    def find(self, state: InstanceState) -> Process:
        """The first process of an instance, by pid and start time, or by a descriptor that was kept. One that is gone
        has ended with the exit that is known, or with one that is not. Raises OutsideError where it is there and cannot
        be held."""
        ...


class Runtime(Protocol):
    """An OCI runtime's command line. No method leaves half of anything: after a cancel it happened or it did not."""

    @property
    def name(self) -> str:
        """What it is: ``runc``, ``crun``, ``youki``, ``railcar``."""
        ...

    @property
    def command(self) -> str:
        """The absolute path of its program."""
        ...

    @property
    def root(self) -> str:
        """The ``--root`` that it is given."""
        ...

    def check_program(self) -> None:
        """Whether its program can be run now, as far as that can be seen without running it (it is there, and has not
        hung just now): nothing that runs is ended for a successor that cannot be created. Raises RuntimeFailed."""
        ...

    async def create(self, instance: Instance, descriptors: Sequence[int] = ()) -> Process:
        """``create``: the container stands, its process waits to be started. ``instance.folder`` holds config.json and
        ``instance.log`` exists or is made. descriptors: what its application has from 3 on. Shielded from cancellation,
        with a deadline of its own.

        Raises RuntimeFailed; what a failed create leaves is for `remove`."""
        ...

    async def start(self, instance_id: str, folder: str) -> None:
        """``start``: the application begins. Raises RuntimeFailed."""
        ...

    async def update(self, instance_id: str, folder: str, cgroups_path: str, resources: Resources) -> None:
        """``update``: resources, live; read back from the kernel. Raises RuntimeFailed if they do not hold now."""
        ...

    async def remove(self, instance_id: str, folder: str, cgroups_path: str) -> None:
        """Undo whole, whatever there is of the instance: kill what is left of a create, ``delete`` (with force where
        needed), kill what is in its cgroup, remove the cgroup in every hierarchy. Idempotent; shielded.

        Raises RuntimeFailed if something is left."""
        ...

    async def query(self, instance_id: str) -> RuntimeStatus | None:
        """``state``: what the runtime knows of an instance; None where it knows none, or cannot make anything of what
        it has. Raises RuntimeFailed where it does not answer."""
        ...

    async def list_instances(self) -> tuple[str, ...]:
        """The ids that the runtime knows below `root`. Raises RuntimeFailed."""
        ...

    def kill_all(self, cgroups_path: str) -> None:
        """SIGKILL to every process in the cgroup (cgroup.kill, or cgroup.procs until it is empty of the living)."""
        ...

    def count_oom_kills(self, cgroups_path: str) -> int:
        """How often the kernel killed in this cgroup for want of memory; 0 where it cannot be told."""
        ...
