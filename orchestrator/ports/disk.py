"""The state directory and the run directory, and a log that is kept within a bound. Floor: ports."""

from collections.abc import Collection, Sequence
from typing import Protocol

from orchestrator.model.bundle import Bundle, Instance
from orchestrator.model.contribution import LiveFile
from orchestrator.model.eventlog import Record
from orchestrator.model.state import AgentState, InstanceState, NameState


class Disk(Protocol):
    """The state directory and the run directory. All methods raise DiskFailed."""

    def store_bundle(self, bundle: Bundle) -> None:
        """Make ``bundles/DIGEST`` (config.json and the skeleton) unless it stands there whole. All or nothing."""
        ...

    def keep_store_paths(self, bundle: Bundle) -> None:
        """Keep what a bundle needs of a Nix store from its garbage collector, until neither an instance nor a
        generation has the bundle. Nothing for one that needs none. Idempotent. Raises DiskFailed also where something
        of it is gone already."""
        ...

    def prepare_instance(self, instance: Instance) -> None:
        """Make the instance's folder with its own config.json, and its own writable rootfs where it has one."""
        ...

    def write_live(self, instance_id: str, files: Sequence[LiveFile]) -> None:
        """Write the files of an instance that follow the host, or write them again: in place, since they are mounted.
        Raises DiskFailed."""
        ...

    def remove_instance(self, instance_id: str) -> None:
        """Remove the instance's folder and writable rootfs, then its state file. Idempotent. The room that they took
        may be free a little later."""
        ...

    def write_instance(self, state: InstanceState) -> None:
        """Put the state file in place, by rename."""
        ...

    def keep_origin(self, state: InstanceState) -> None:
        """Put a second copy of a new instance's state into its folder, for a time when the first is damaged."""
        ...

    def write_name(self, state: NameState) -> None:
        """Put the name's file in place, by rename."""
        ...

    def remove_name(self, name: str) -> None:
        """Remove the name's file. Idempotent."""
        ...

    def write_agent(self, state: AgentState) -> None:
        """Put the agent's file in place, by rename."""
        ...

    def sweep_bundles(self, keep: Collection[str]) -> None:
        """Remove the stored bundles whose digests are not in ``keep``."""
        ...

    def hold(self, name: str) -> None:
        """Note that an operator has stopped ``name``. Idempotent."""
        ...

    def release(self, name: str) -> None:
        """Note that ``name`` may run again. Idempotent."""
        ...

    def list_held(self) -> frozenset[str]:
        """The names that are held."""
        ...

    def append_record(self, record: Record) -> None:
        """Add a line to the event log: whole or not at all."""
        ...


class LogWatch(Protocol):
    """A log that an application appends to, to be kept within a bound."""

    def arm(self) -> None:
        """From now on a write is remembered for `wait_modified`. Raises DiskFailed."""
        ...

    async def wait_modified(self) -> None:
        """Return when something was written since `arm`; after a while where that cannot be told. Cancellation-safe."""
        ...

    def size(self) -> int:
        """How many bytes it holds now. Raises DiskFailed."""
        ...

    async def drop_head(self, keep: int) -> int:
        """Drop its head, at least ``keep`` bytes remain; returns how many went. Raises LogBusy, DiskFailed."""
        ...

    def mark(self) -> None:
        """Note how much has been written by now, for who asks later what came since a moment. Raises LogBusy,
        DiskFailed."""
        ...
