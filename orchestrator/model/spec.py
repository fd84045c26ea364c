"""A spec: a definition with nothing left to decide. Floor: model."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from orchestrator.model.definition import Resources, Restart, Stop
from orchestrator.model.entry import Entry
from orchestrator.model.oci import Mount, Namespace, User


@frozen(kw_only=True)
class SkeletonRoot:
    """A root file system of mount points, made for the bundle, that everything else is mounted over."""

    entries: tuple[Entry, ...]


@frozen(kw_only=True)
class FolderRoot:
    """A folder of the host that is the root file system itself; ``path`` has no link in it."""

    path: str


@frozen(kw_only=True)
class Policy:
    """What only the agent uses: a change of it touches no process."""

    oneshot: bool
    restart: Restart
    """``on_success`` is decided here: never None."""
    stop: Stop


@frozen(kw_only=True)
class Spec:
    """One container, decided: users as numbers, mounts complete and in order, defaults in."""

    name: str
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    """Sorted by name."""
    cwd: str
    user: User
    hostname: str
    readonly: bool
    root: SkeletonRoot | FolderRoot
    mounts: tuple[Mount, ...]
    """In the order in which they are made: the system's own first, then by destination, parents before children."""
    namespaces: tuple[Namespace, ...]
    capabilities: tuple[str, ...]
    """With the prefix ``CAP_``, sorted; every set of the process gets just these."""
    seccomp: Mapping[str, Any] | None
    """``linux.seccomp`` as the runtime-spec has it."""
    masked_paths: tuple[str, ...]
    readonly_paths: tuple[str, ...]
    no_new_privileges: bool
    resources: Resources
    policy: Policy
