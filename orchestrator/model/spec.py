"""A spec: a definition with nothing left to decide. Floor: model."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from orchestrator.model.attached import PlannedAttachment
from orchestrator.model.contribution import BundleFile, LiveFile, PortClaim
from orchestrator.model.entry import Entry
from orchestrator.model.health import Health
from orchestrator.model.log import Log
from orchestrator.model.oci import Device, Hook, Mount, Namespace, Rlimit, User
from orchestrator.model.policy import OnFailedUpdate, Ready, Restart, Stop
from orchestrator.model.resources import Resources
from orchestrator.model.sockets import ListenSpec
from orchestrator.model.store import StoreUse


@frozen(kw_only=True)
class SkeletonRoot:
    """A root file system of mount points, made for the bundle, that everything else is mounted over."""

    entries: tuple[Entry, ...]


@frozen(kw_only=True)
class FolderRoot:
    """A folder of the host that is the root file system itself; ``path`` has no link in it."""

    path: str


@frozen
class EnvFileUse:
    """A file of the host whose variables an instance gets. ``digest`` is the SHA-256, in hexadecimal, of what it said
    when the spec was made; None where a change of it means nothing."""

    path: str
    digest: str | None


@frozen(kw_only=True)
class Policy:
    """What only the agent uses: a change of it touches no process."""

    oneshot: bool
    restart: Restart
    """``on_success`` is decided here: never None."""
    stop: Stop
    log_bound: int | None = None
    """How many bytes of its log file are kept; None where the log is no file."""
    health: Health | None = None
    ready: Ready = Ready.STARTED
    start_timeout: float = 90.0
    """Seconds."""
    watchdog: float | None = None
    """Seconds that the application may be silent; None where it promises nothing."""
    after: tuple[str, ...] = ()
    """Sorted, without those of ``requires``."""
    requires: tuple[str, ...] = ()
    """Sorted."""
    exclusive: bool = False
    """Whether no two instances of it may run at a time."""
    shares_network_of: str = ""
    """One of ``requires``, in whose network namespace it runs; empty where it has another."""
    on_failed_update: OnFailedUpdate = OnFailedUpdate.RETRY
    """Decided here: never left open."""

    @property
    def notifies(self) -> bool:
        """Whether the application has something to say, and so is offered a socket for it (sd_notify(3))."""
        return self.ready is Ready.NOTIFY or self.watchdog is not None


@frozen(kw_only=True)
class Spec:
    """One container, decided: users as numbers, mounts complete and in order, defaults in."""

    name: str
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    """Sorted by name."""
    own_env: frozenset[str]
    """Those of its names that the definition itself sets: no file of variables changes them."""
    env_files: tuple[EnvFileUse, ...]
    """In order: of a variable in two, the later file's value stands."""
    files: tuple[BundleFile, ...]
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
    devices: tuple[Device, ...]
    """Beside the default ones."""
    rlimits: tuple[Rlimit, ...]
    """Sorted by type."""
    annotations: tuple[tuple[str, str], ...]
    """Sorted by name."""
    masked_paths: tuple[str, ...]
    readonly_paths: tuple[str, ...]
    no_new_privileges: bool
    resources: Resources
    log: Log
    policy: Policy
    hooks: tuple[Hook, ...] = ()
    """In the order in which they are run."""
    attachments: tuple[PlannedAttachment, ...] = ()
    """What kinds do on the host for each instance, in order."""
    live: tuple[LiveFile, ...] = ()
    """Sorted by path."""
    claims: tuple[PortClaim, ...] = ()
    """Their paths as in the definition."""
    contents: tuple[str, ...] = field(default=(), repr=False)
    """What else makes it another container where it is another: a part of the digest only."""
    shares_network_of: str = ""
    sockets: tuple[ListenSpec, ...] = ()
    """By name: the application's descriptors from 3 on."""
    store: StoreUse | None = None
    """What of a Nix store it is made from."""


@frozen(kw_only=True)
class ReadySpec:
    """A container whose bundle stands on the host already: decided by its own config.json."""

    name: str
    folder: str
    """The bundle's folder, absolute and without a link in it."""
    config: Mapping[str, Any]
    """Its config.json, in which every relative path is made absolute."""
    root: FolderRoot | SkeletonRoot
    """Its own; a skeleton where something is mounted that it has no place for and must not be given one."""
    resources: Resources
    log: Log
    policy: Policy
    files: tuple[BundleFile, ...] = ()
    attachments: tuple[PlannedAttachment, ...] = ()
    """As of `Spec`."""
    live: tuple[LiveFile, ...] = ()
    claims: tuple[PortClaim, ...] = ()
    contents: tuple[str, ...] = field(default=(), repr=False)
    store: StoreUse | None = None
    """As of `Spec`: the bundle itself may lie in a store."""
