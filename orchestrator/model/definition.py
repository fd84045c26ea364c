"""A definition: one file of the watched directory as its author wrote it, with defaults where the author said nothing.

These classes *are* the schema: the parser, the check for unknown keys, the change classes and the reference page are
read off them. Nothing is looked up here; that is what a spec is for. Floor: model.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar, NewType

from attrs import frozen

from orchestrator.model.kinds import MountKind, NetworkKind
from orchestrator.model.option import Change, option

NAME_PATTERN = r"[a-z0-9][a-z0-9._-]{0,62}"
"""What a container may be called: the name of its file without the suffix."""

Duration = NewType("Duration", float)
"""Seconds. In a file: ``"1m30s"``, ``"100ms"``; units ms, s, m, h, d, largest first. A bare number is a problem."""

Size = NewType("Size", int)
"""Bytes. In a file: ``"256M"`` (K, M, G, T are powers of 1024, an optional ``iB`` may follow) or a bare integer."""

SignalName = NewType("SignalName", str)
"""A signal as kill(1) names it, kept with its prefix: ``"SIGTERM"``; ``"TERM"`` may be written."""

AbsolutePath = NewType("AbsolutePath", str)
"""A path that begins with ``/`` and has no ``..``; kept normalised (no ``//``, no ``.``, no slash at its end)."""

UserName = NewType("UserName", str)
"""``NAME``, ``NAME:GROUP``, ``UID`` or ``UID:GID``; names are looked up in the root file system."""

HostName = NewType("HostName", str)
"""A host name as hostname(7) has it: labels of letters, digits and ``-``, joined by dots, 64 characters at most."""

EnvName = NewType("EnvName", str)
"""The name of an environment variable: no ``=`` and no NUL, not empty."""

MountPath = NewType("MountPath", str)
"""A destination of a mount: an `AbsolutePath` that is not ``/`` and not over or below the system's own mounts."""


class ContainerType(Enum):
    """What it means when the application ends."""

    SERVICE = "service"
    ONESHOT = "oneshot"


class OnExit(Enum):
    """What the agent does when the application has ended."""

    RESTART = "restart"
    STOP = "stop"


@frozen(kw_only=True)
class HostRootfs:
    """The host's own /usr, read-only, with the links to it and a minimal /etc; nothing else of the host."""

    type: ClassVar[str] = "host"


@frozen(kw_only=True)
class DirectoryRootfs:
    """A folder of the host as the root file system, used in place."""

    type: ClassVar[str] = "directory"
    path: AbsolutePath = option(
        doc="The folder. The runtime makes missing mount points in it.",
        change=Change.REPLACE,
        example='"/srv/alpine"',
    )


@frozen(kw_only=True)
class ClosureRootfs:
    """The Nix store paths that the definition names, with all they need, and nothing else of the store."""

    type: ClassVar[str] = "closure"


Rootfs = HostRootfs | DirectoryRootfs | ClosureRootfs
"""Where the root file system comes from: a closed set."""

ROOTFS_KINDS: Mapping[str, type[Any]] = {kind.type: kind for kind in (HostRootfs, DirectoryRootfs, ClosureRootfs)}


@frozen(kw_only=True)
class Resources:
    """Limits that the kernel keeps; a runtime changes them while the container runs."""

    memory: Size | None = option(
        default=None,
        doc="The most memory that the container may use, swap included. Beyond it the kernel kills in it.",
        change=Change.UPDATE,
        minimum=6 * 1024 * 1024,
        example='"256M"',
    )


@frozen(kw_only=True)
class Restart:
    """What happens when the application ends, and how long the agent waits before it starts it again."""

    on_failure: OnExit = option(
        default=OnExit.RESTART,
        doc="After a failure: an exit code other than 0, a signal, out of memory, a start that failed.",
        change=Change.RETUNE,
        example='"stop"',
    )
    on_success: OnExit | None = option(
        default=None,
        doc="After an exit with code 0. Default: restart, for a oneshot stop.",
        change=Change.RETUNE,
        example='"stop"',
    )
    delay: Duration = option(
        default=Duration(0.1),
        doc="How long to wait before the first restart.",
        change=Change.RETUNE,
        minimum=0.0,
        maximum=86400.0,
        example='"100ms"',
    )
    factor: float = option(
        default=2.0,
        doc="By how much the wait grows with each failure that follows.",
        change=Change.RETUNE,
        minimum=1.0,
        maximum=100.0,
        example="2.0",
    )
    max_delay: Duration = option(
        default=Duration(60.0),
        doc="The longest wait.",
        change=Change.RETUNE,
        minimum=0.0,
        maximum=86400.0,
        example='"1m"',
    )
    jitter: float = option(
        default=0.2,
        doc="The part of the wait, more or less, that is left to chance, so that many do not start as one.",
        change=Change.RETUNE,
        minimum=0.0,
        maximum=1.0,
        example="0.2",
    )
    reset_after: Duration = option(
        default=Duration(60.0),
        doc="After running and ready for so long, the next failure waits `delay` again.",
        change=Change.RETUNE,
        minimum=0.0,
        maximum=86400.0 * 7,
        example='"1m"',
    )


@frozen(kw_only=True)
class Stop:
    """How the application is asked to end, and how long it may take."""

    signal: SignalName = option(
        default=SignalName("SIGTERM"),
        doc="The signal that asks it to end.",
        change=Change.RETUNE,
        example='"SIGQUIT"',
    )
    timeout: Duration = option(
        default=Duration(10.0),
        doc="After so long everything in the container is killed.",
        change=Change.RETUNE,
        minimum=0.0,
        maximum=86400.0,
        example='"30s"',
    )


@frozen(kw_only=True)
class Definition:
    """What the user wants to run as one container."""

    args: tuple[str, ...] = option(
        doc="The command and its arguments; a command without a slash is looked up in PATH inside.",
        change=Change.REPLACE,
        example='["/usr/bin/python3", "-m", "http.server"]',
    )
    rootfs: Rootfs | None = option(
        default=None,
        doc="Where the root file system comes from: `host`, `directory` or `closure`. Default: the closure of `args`.",
        change=Change.REPLACE,
        example='"host"',
    )
    env: Mapping[EnvName, str] = option(
        factory=dict,
        doc="Environment variables. PATH, HOME and the container's name as HOSTNAME are set where the table is silent.",
        change=Change.REPLACE,
        example='{ LANG = "C.UTF-8" }',
    )
    cwd: AbsolutePath = option(
        default=AbsolutePath("/"),
        doc="The working directory inside.",
        change=Change.REPLACE,
        example='"/srv"',
    )
    user: UserName = option(
        default=UserName("0:0"),
        doc="Who the application runs as: a name, or `uid` or `uid:gid`. Names are looked up in the root file system.",
        change=Change.REPLACE,
        example='"www-data"',
    )
    hostname: HostName | None = option(
        default=None,
        doc="The host name inside. Default: the container's name.",
        change=Change.REPLACE,
        example='"web"',
    )
    readonly: bool | None = option(
        default=None,
        doc="Whether the root file system is read-only. Default: true for `host` and `closure`, false for `directory`.",
        change=Change.REPLACE,
        example="true",
    )
    type: ContainerType = option(
        default=ContainerType.SERVICE,
        doc="`service` is to run for ever, `oneshot` runs once and is then completed.",
        change=Change.RETUNE,
        example='"oneshot"',
    )
    mounts: Mapping[MountPath, MountKind] = option(
        factory=dict,
        doc="What is mounted where inside, by destination; `type` says how, default `bind`.",
        change=Change.REPLACE,
        example='{ "/data" = { source = "/srv/data" } }',
    )
    network: NetworkKind | None = option(
        default=None,
        doc="The network: `none` (its own, with a loopback only; the default) or `host`, or a plugin's kind.",
        change=Change.REPLACE,
        example='"host"',
    )
    resources: Resources = option(
        factory=Resources,
        doc="Limits that the kernel keeps.",
        change=Change.BY_FIELD,
        example='{ memory = "256M" }',
    )
    restart: Restart = option(
        factory=Restart,
        doc="What happens when the application ends.",
        change=Change.BY_FIELD,
        example='{ delay = "1s" }',
    )
    stop: Stop = option(
        factory=Stop,
        doc="How the application is asked to end.",
        change=Change.BY_FIELD,
        example='{ signal = "SIGQUIT", timeout = "30s" }',
    )
