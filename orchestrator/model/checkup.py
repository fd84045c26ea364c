"""What `orchestrator doctor` looks at, as it is found, and what it says of it. Floor: model."""

from enum import Enum

from attrs import frozen

from orchestrator.model.cgroups import CgroupDriver


class Level(Enum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    """Good to know; nothing that this version needs is missing."""
    WARNING = "warning"
    """The agent runs, but not all that a definition may ask for."""
    ERROR = "error"
    """The agent, or what it is for, cannot run."""


@frozen
class Finding:
    """One thing that was looked at."""

    subject: str
    """What it belongs to, in a word or two: findings of one subject come one after the other."""
    level: Level
    found: str
    """What is there."""
    means: str = ""
    """What follows from it."""
    mend: str = ""
    """What to do about it, if anything is to be done."""


@frozen
class RuntimeTrial:
    """A candidate, and whether it ran a container. ``command`` is None where it is not installed."""

    name: str
    command: str | None
    version: str = ""
    refusal: str | None = None
    """Why it would not, in its own words."""
    driver: CgroupDriver = CgroupDriver.CGROUPFS
    """Who made the container's control groups."""
    passed_over: str = ""
    """Why systemd, though it is process 1, did not."""
    tried: bool = True
    """False without root, of which every runtime's trial has need."""


@frozen(kw_only=True)
class CgroupsFound:
    """The control groups of the host, cgroups(7)."""

    versions: frozenset[int]
    """Of the hierarchies that are mounted: 1, 2 or both."""
    controllers: frozenset[str]
    """Of memory, swap, cpu, pids and io, those that can be limited by."""
    read_only: tuple[str, ...] = ()
    """Mount points in which this process may make no group."""


@frozen(kw_only=True)
class InotifyFound:
    """The limits of inotify(7), for all processes of a user together, and what this user's have of them; None where it
    cannot be told."""

    most_instances: int | None
    most_watches: int | None
    instances: int | None
    watches: int | None


@frozen(kw_only=True)
class KernelFound:
    """What the kernel has. None: it could not be asked."""

    release: str
    version: tuple[int, int]
    pidfds: bool
    exit_info: bool | None
    seccomp: bool
    overlayfs: bool
    missing_namespaces: tuple[str, ...]


@frozen(kw_only=True)
class FolderFound:
    """The state or run directory. ``asked`` is where its file system was asked: the folder above while it is
    missing."""

    path: str
    asked: str
    tmpfs: bool
    collapses: bool | None = None
    """Whether the head of a file can be cut off, FALLOC_FL_COLLAPSE_RANGE; None where it may not be tried."""


@frozen(kw_only=True)
class AgentFound:
    """The agent of the run directory, if there is one."""

    run: str
    pid: int | None
    version: str = ""
    unreadable: str = ""
    """Why its file could not be read."""
    control: str = ""
    """The socket."""
    refusal: str = ""
    """Why nobody answers there."""
    denied: bool = False
    """The refusal is for want of rights."""


@frozen(kw_only=True)
class NetworksFound:
    """What networks need that containers share."""

    looked: tuple[str, ...]
    """The folders in which CNI plugins are looked for."""
    folders: tuple[tuple[str, int], ...]
    """Those that have any, with how many."""
    missing_plugins: tuple[str, ...] = ()
    """Those of the `bridge` network that are not there."""
    missing_programs: tuple[str, ...] = ()
    """Of ip(8) and iptables(8)."""
    lacking: tuple[str, ...] | None
    """What the kernel has not; None where it could not be tried."""


@frozen(kw_only=True)
class NixFound:
    """The host's Nix store, and the commands for it."""

    store: str
    """Its folder."""
    is_there: bool
    database: str = ""
    """Why its database cannot be read."""
    asks: str | None
    """The command `nix-store`, if there is one."""
    builds: str | None
    """`nix-build`, if that and `nix-instantiate` are there."""
    roots: str
    """The folder of what is kept from its garbage collector."""
    keeps: bool
    """Whether that can be written to."""


@frozen(kw_only=True)
class Checkup:
    """All that was found."""

    root: bool
    program_version: str
    runtime: str
    """What was asked for: ``auto``, a name or a path."""
    trials: tuple[RuntimeTrial, ...]
    trouble: str = ""
    """Why no runtime could be tried."""
    cgroups: CgroupsFound | str
    """Or why they cannot be read."""
    inotify: InotifyFound
    open_files: int
    """The most descriptors that the agent may give itself, RLIMIT_NOFILE; -1 for any number."""
    profile: str | None
    """The file of the seccomp profile; None for the built-in list."""
    profile_trouble: str = ""
    """Why it cannot be used."""
    journal: bool
    networks: NetworksFound
    nix: NixFound
    kernel: KernelFound
    state: FolderFound
    run: FolderFound
    agent: AgentFound
    systemd: bool
    """Whether it is process 1."""
    unit: str | None
    """The file of the agent's unit."""
