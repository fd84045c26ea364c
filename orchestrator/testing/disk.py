"""A disk in memory for the tests of tasks: what was done is recorded in its order, and any call can be made to fail.

Nothing is rendered or encoded; that is tested where it is done. Floor: testing.
"""

from collections.abc import Collection, Sequence

from orchestrator.model.bundle import Bundle, Instance
from orchestrator.model.contribution import LiveFile
from orchestrator.model.eventlog import Record
from orchestrator.model.state import AgentState, InstanceState, NameState
from orchestrator.ports import DiskFailed


class FakeDisk:
    """`orchestrator.ports.Disk` in memory.

    ``calls`` has every call that did not fail: the method's name and what it was given. ``bundles``, ``prepared``,
    ``instances``, ``origins``, ``names``, ``agent``, ``held`` and ``records`` are what a real disk would hold now.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []
        self.bundles: dict[str, Bundle] = {}
        self.prepared: dict[str, Instance] = {}
        self.instances: dict[str, InstanceState] = {}
        self.origins: dict[str, InstanceState] = {}
        self.names: dict[str, NameState] = {}
        self.agent: AgentState | None = None
        self.held: set[str] = set()
        self.records: list[Record] = []
        self._failures: dict[str, tuple[str, int]] = {}

    def fail(self, method: str, message: str = "no space left on device", times: int = 1) -> None:
        """Let the next ``times`` calls of a method raise DiskFailed and do nothing."""
        if not callable(getattr(type(self), method, None)):
            raise ValueError(f"a disk has no {method!r}")
        self._failures[method] = (message, times)

    def calls_of(self, method: str) -> list[object]:
        """What a method was given, call by call."""
        return [given for name, given in self.calls if name == method]

    def store_bundle(self, bundle: Bundle) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("store_bundle", bundle)
        self.bundles[bundle.digest] = bundle

    def keep_store_paths(self, bundle: Bundle) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("keep_store_paths", bundle)

    def prepare_instance(self, instance: Instance) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("prepare_instance", instance)
        self.prepared[instance.id] = instance

    def write_live(self, instance_id: str, files: Sequence[LiveFile]) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("write_live", (instance_id, tuple(files)))

    def remove_instance(self, instance_id: str) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("remove_instance", instance_id)
        self.prepared.pop(instance_id, None)
        self.origins.pop(instance_id, None)
        self.instances.pop(instance_id, None)

    def write_instance(self, state: InstanceState) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("write_instance", state)
        self.instances[state.instance] = state

    def keep_origin(self, state: InstanceState) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("keep_origin", state)
        self.origins[state.instance] = state

    def write_name(self, state: NameState) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("write_name", state)
        self.names[state.name] = state

    def remove_name(self, name: str) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("remove_name", name)
        self.names.pop(name, None)

    def write_agent(self, state: AgentState) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("write_agent", state)
        self.agent = state

    def sweep_bundles(self, keep: Collection[str]) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("sweep_bundles", frozenset(keep))
        self.bundles = {digest: bundle for digest, bundle in self.bundles.items() if digest in keep}

    def hold(self, name: str) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("hold", name)
        self.held.add(name)

    def release(self, name: str) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("release", name)
        self.held.discard(name)

    def list_held(self) -> frozenset[str]:
        """See `orchestrator.ports.Disk`."""
        return frozenset(self.held)

    def append_record(self, record: Record) -> None:
        """See `orchestrator.ports.Disk`."""
        self._record("append_record", record)
        self.records.append(record)

    def _record(self, method: str, given: object) -> None:
        message, times = self._failures.get(method, ("", 0))
        if times:
            self._failures[method] = (message, times - 1)
            raise DiskFailed(message)
        self.calls.append((method, given))
