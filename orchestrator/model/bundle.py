"""A bundle as a value, and an instance: what the OCI runtime-spec calls a bundle, and one life of it. Floor: model."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen

from orchestrator.model.attached import PlannedAttachment
from orchestrator.model.cgroups import Scope
from orchestrator.model.contribution import BundleFile
from orchestrator.model.resources import Resources
from orchestrator.model.sockets import ListenSpec
from orchestrator.model.spec import EnvFileUse, FolderRoot, SkeletonRoot
from orchestrator.model.store import StoreUse


class LogTarget(Enum):
    """What the application's output is connected to."""

    FILE = "file"
    JOURNAL = "journal"
    NONE = "none"


@frozen
class Bundle:
    """What a container is made from. Same spec, same bytes, same digest.

    ``config`` is a config.json without what differs from instance to instance (root path, cgroup path) and without the
    resources that are changed live, so that neither is in the digest: a digest that differs means a replacement.
    ``digest`` is the SHA-256, in hexadecimal, of the canonical JSON of config, root and all that an instance is made of
    beside them: files, the files of variables with the digests of what they say, the log's kind.
    """

    digest: str
    config: Mapping[str, Any] = field(eq=False, repr=False)
    root: SkeletonRoot | FolderRoot = field(eq=False, repr=False)
    readonly: bool = field(eq=False)
    files: tuple[BundleFile, ...] = field(default=(), eq=False, repr=False)
    """What is written beside an instance's config.json and mounted into it."""
    env_files: tuple[EnvFileUse, ...] = field(default=(), eq=False)
    """The files of variables that are read for each instance, in order; what they say is in no bundle. One that has a
    digest must say what it said when the bundle was made."""
    own_env: frozenset[str] = field(default=frozenset(), eq=False, repr=False)
    """The names of variables that no such file changes."""
    log: LogTarget = field(default=LogTarget.FILE, eq=False)
    notify: bool = field(default=False, eq=False)
    """Whether an instance is offered a socket for what its application says of itself (sd_notify(3))."""
    attachments: tuple[PlannedAttachment, ...] = field(default=(), eq=False, repr=False)
    """What plugin kinds do on the host for each instance, in order."""
    live: tuple[str, ...] = field(default=(), eq=False, repr=False)
    """Where inside the files are mounted that follow the host (`Target.live` has their texts), in order."""
    shares_network_of: str = field(default="", eq=False, repr=False)
    """The container whose network namespace an instance joins."""
    contents: tuple[str, ...] = field(default=(), eq=False, repr=False)
    """What kinds say makes it another container, each as ``KEY: TEXT``."""
    sockets: tuple[ListenSpec, ...] = field(default=(), eq=False, repr=False)
    """The listening sockets that an instance is handed, in the order of its descriptors from 3 on."""
    store: StoreUse | None = field(default=None, eq=False)
    """What of a Nix store has to be kept for it. (What is mounted of it is in the config.)"""


@frozen
class OpenFiles:
    """RLIMIT_NOFILE, getrlimit(2): how many descriptors a process may have."""

    soft: int
    hard: int


@frozen(kw_only=True)
class HostLimits:
    """What the host, and how the agent was started, say of the limits of every instance.

    In no digest: an agent that was started from another shell, or a kernel with another parameter, replaces nothing.
    """

    open_files: OpenFiles | None = None
    """What the application is given; None: what the runtime inherits."""
    limits_swap: bool = True
    """Whether the kernel can limit swap, so that a runtime may be asked to."""
    weight_files: tuple[str, ...] = ("cpu.shares", "blkio.weight")
    """The files of a control group that the kernel keeps weights in: those of version 2 where the host has only that,
    else those of version 1."""


@frozen(kw_only=True)
class Instance:
    """One life of a container: what the runtime creates once. Its id is never used again. Paths are absolute."""

    id: str
    name: str
    bundle: Bundle
    resources: Resources
    folder: str
    """The bundle folder that the runtime is given: config.json, and the pid file and log of its commands."""
    rootfs: str
    """What config.json says of ``root.path``."""
    cgroups_path: str
    """Its control group, below the mount point of each hierarchy: of the agent's own choice, so that it can be cleared
    without the runtime."""
    scope: Scope | None = None
    """The scope that systemd is to make with that group; None where the runtime makes the group by itself."""
    log: str
    """The file that the application's output is appended to."""
    notify: str = ""
    """The folder of its notify socket, which is mounted into it; empty where it is offered none."""
    folders: Mapping[str, str] = field(factory=dict, eq=False)
    """Where the folders are that kinds name without knowing the instance (`orchestrator.model.attached`)."""
    live: str = ""
    """The folder of its files that follow the host."""
    joins: str = ""
    """The network namespace that it joins, as a path; empty where it joins none."""
    host_limits: HostLimits = HostLimits()
