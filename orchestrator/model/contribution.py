"""What a plugin kind adds to a container. Floor: model."""

from collections.abc import Mapping

from attrs import field, frozen

from orchestrator.model.entry import Entry
from orchestrator.model.oci import Mount, Namespace
from orchestrator.model.problem import Fault


@frozen(kw_only=True)
class Contribution:
    """A part of a spec, as data.

    ``env`` fills in what the definition leaves unset. ``namespaces`` are added to pid, mount, ipc, uts and cgroup.
    ``faults`` are the user's mistakes that only the facts could show, their paths relative to the kind's own table.
    """

    mounts: tuple[Mount, ...] = ()
    env: Mapping[str, str] = field(factory=dict)
    namespaces: tuple[Namespace, ...] = ()
    capabilities: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    faults: tuple[Fault, ...] = ()
