"""A definition: one file of the watched directory as its author wrote it, with defaults where the author said nothing.

These classes *are* the schema: the parser, the check for unknown keys, the change classes, the JSON Schema and the
reference page are read off them. Nothing is looked up here; that is what a spec is for. Floor: model.
"""

from collections.abc import Mapping
from typing import ClassVar

from attrs import frozen

from orchestrator.model.confinement import Capabilities, Device, Rlimit
from orchestrator.model.health import Health
from orchestrator.model.kinds import MountKind, NetworkKind
from orchestrator.model.log import FileLog, Log
from orchestrator.model.option import Change, option
from orchestrator.model.policy import ContainerType, OnFailedUpdate, Ready, Restart, Stop
from orchestrator.model.resources import Resources
from orchestrator.model.rootfs import Rootfs
from orchestrator.model.sockets import Socket
from orchestrator.model.types import (
    AbsolutePath,
    AnnotationName,
    ContainerName,
    Duration,
    EnvName,
    GroupName,
    HostName,
    MountPath,
    RlimitName,
    SeccompChoice,
    SocketName,
    Umask,
    UserName,
)


@frozen(kw_only=True)
class EnvFile:
    """A file of the host with environment variables, one ``NAME=value`` a line. What it says is never shown."""

    shorthand: ClassVar[str] = "path"
    """The option that a bare value stands for: ``"/etc/web.env"`` is ``{ path = "/etc/web.env" }``."""

    path: AbsolutePath = option(
        doc="The file, on the host. It is read at each start.",
        change=Change.REPLACE,
        example='"/etc/web.env"',
    )
    watch: bool = option(
        default=True,
        doc="Whether a change of what it says replaces the container.",
        change=Change.REPLACE,
        example="false",
    )


@frozen(kw_only=True)
class Definition:
    """What the user wants to run as one container."""

    args: tuple[str, ...] | None = option(
        default=None,
        doc="The command and its arguments; a command without a slash is looked up in PATH inside. This, `cmd` or "
        "`bundle` is needed.",
        change=Change.REPLACE,
        example='["/usr/bin/python3", "-m", "http.server"]',
    )
    cmd: str | None = option(
        default=None,
        doc="Instead of `args`: lines of a script, which `shell` runs inside.",
        change=Change.REPLACE,
        example='"cd /srv && exec python3 -m http.server"',
    )
    shell: AbsolutePath = option(
        default=AbsolutePath("/bin/sh"),
        doc="What runs `cmd`, inside.",
        change=Change.REPLACE,
        example='"/bin/bash"',
    )
    bundle: AbsolutePath | None = option(
        default=None,
        doc="Instead of `args` and all that makes a bundle: the folder of a ready OCI bundle, run as it is.",
        change=Change.REPLACE,
        example='"/srv/bundles/web"',
    )
    rootfs: Rootfs | None = option(
        default=None,
        doc="Where the root file system comes from: `host`, `directory` or `closure`. Default: the closure of `args`.",
        change=Change.REPLACE,
        example='"host"',
    )
    packages: tuple[AbsolutePath, ...] = option(
        default=(),
        doc="Nix packages for a closure: store paths, links to them, or profiles. Their programs are in PATH.",
        change=Change.REPLACE,
        example='["/nix/var/nix/profiles/default"]',
    )
    env: Mapping[EnvName, str] = option(
        factory=dict,
        doc="Environment variables. PATH, HOME and the container's name as HOSTNAME are set where the table is silent.",
        change=Change.REPLACE,
        example='{ LANG = "C.UTF-8" }',
    )
    env_files: tuple[EnvFile, ...] = option(
        default=(),
        doc="Files of the host with further variables; `env` wins over them, a later file over an earlier one.",
        change=Change.REPLACE,
        example='["/etc/web.env"]',
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
    groups: tuple[GroupName, ...] = option(
        default=(),
        doc="Further groups, beside those that the root file system lists the user in.",
        change=Change.REPLACE,
        example='["video"]',
    )
    umask: Umask = option(
        default=Umask(0o022),
        doc="The umask(2), in octal digits.",
        change=Change.REPLACE,
        example='"0027"',
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
    os: str = option(
        default="linux",
        doc="The operating system that it is for: a problem where the host is another.",
        change=Change.RETUNE,
        example='"linux"',
    )
    arch: str | None = option(
        default=None,
        doc="The architecture that it is for, `amd64` or `x86_64`: a problem where the host is another. Default: any.",
        change=Change.RETUNE,
        example='"amd64"',
    )
    annotations: Mapping[AnnotationName, str] = option(
        factory=dict,
        doc="Annotations of config.json, for the runtime and its hooks.",
        change=Change.REPLACE,
        example='{ "org.example.team" = "web" }',
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
        doc="The network: `none` (its own, with a loopback only), `host`, `bridge`, `cni`, `path`, or a plugin's kind. "
        "Default: `none`.",
        change=Change.REPLACE,
        example='"host"',
    )
    sockets: Mapping[SocketName, Socket] = option(
        factory=dict,
        doc="Sockets that the agent listens on and hands over, by name (sd_listen_fds(3)): they outlive the instances, "
        "so that no connection is refused while one follows another.",
        change=Change.REPLACE,
        example='{ http = { stream = "0.0.0.0:80" } }',
    )
    exclusive: bool = option(
        default=False,
        doc="With `sockets` a new instance is started beside the old one, which ends once the new one is ready. With "
        "this the old one ends first, and connections wait meanwhile.",
        change=Change.RETUNE,
        example="true",
    )
    devices: tuple[Device, ...] = option(
        default=(),
        doc="Devices of the host that it may use, beside null, zero, full, random, urandom, tty and its terminals.",
        change=Change.REPLACE,
        example='["/dev/fuse"]',
    )
    hooks_dirs: tuple[AbsolutePath, ...] = option(
        default=(),
        doc="Directories of the host with hooks for the runtime (oci-hooks(5)): those are run whose conditions hold. "
        "A file of a later directory hides one of the same name.",
        change=Change.REPLACE,
        example='["/usr/share/containers/oci/hooks.d"]',
    )
    capabilities: Capabilities = option(
        factory=Capabilities,
        doc="What the application may do beyond, or short of, the defaults for its user.",
        change=Change.BY_FIELD,
        example='{ add = ["NET_ADMIN"], drop = ["CHOWN"] }',
    )
    no_new_privileges: bool = option(
        default=True,
        doc="Whether set-user-ID programs and file capabilities give nothing (PR_SET_NO_NEW_PRIVS).",
        change=Change.REPLACE,
        example="false",
    )
    seccomp: SeccompChoice = option(
        default=SeccompChoice("default"),
        doc="The system calls it may make: `default`, `unconfined` (all), or the path of a profile.",
        change=Change.REPLACE,
        example='"unconfined"',
    )
    masked_paths: tuple[AbsolutePath, ...] | None = option(
        default=None,
        doc="What cannot be read inside, instead of the default list.",
        change=Change.REPLACE,
        example='["/proc/kcore"]',
    )
    readonly_paths: tuple[AbsolutePath, ...] | None = option(
        default=None,
        doc="What cannot be written to inside, instead of the default list.",
        change=Change.REPLACE,
        example='["/proc/sys"]',
    )
    rlimits: Mapping[RlimitName, Rlimit] = option(
        factory=dict,
        doc="Limits of a process (getrlimit(2)), by name in lower case.",
        change=Change.REPLACE,
        example="{ core = 0, nofile = { soft = 1024, hard = 4096 } }",
    )
    resources: Resources = option(
        factory=Resources,
        doc="Limits that the kernel keeps.",
        change=Change.BY_FIELD,
        example='{ memory = "256M" }',
    )
    log: Log = option(
        factory=FileLog,
        doc="Where its output goes: `file`, `journal` or `none`.",
        change=Change.REPLACE,
        example='{ type = "file", max_size = "64M" }',
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
    health: Health | None = option(
        default=None,
        doc="How it is found out whether it is well: `exec`, `http` or `tcp`. Default: it is well while it runs.",
        change=Change.RETUNE,
        example='{ type = "http", port = 8080, path = "/healthz" }',
    )
    ready: Ready = option(
        default=Ready.STARTED,
        doc="When it is ready: once it is `started`, when it says so itself (`notify`, sd_notify(3)), or as long as "
        "the last probe of its `health` has succeeded (`healthy`). What comes `after` it waits for that. An edit to or "
        "from `notify` replaces.",
        change=Change.BY_VALUE,
        replacing=(Ready.NOTIFY.value,),
        example='"notify"',
    )
    start_timeout: Duration = option(
        default=Duration(90.0),
        doc="What is not ready so long after its start is ended, and `restart` says what follows. Until then failing "
        "probes do not count for what has not been well yet.",
        change=Change.RETUNE,
        minimum=0.1,
        maximum=86400.0,
        example='"30s"',
    )
    watchdog: Duration | None = option(
        default=None,
        doc="Once it is ready it promises to send WATCHDOG=1 (sd_notify(3)) at least so often; when it does not, it is "
        "ended, and `restart` says what follows. It is told by WATCHDOG_USEC.",
        change=Change.REPLACE,
        minimum=0.1,
        maximum=86400.0,
        example='"30s"',
    )
    after: tuple[ContainerName, ...] = option(
        default=(),
        doc="Containers that are to be ready before this one is started, and that are stopped after it.",
        change=Change.RETUNE,
        example='["db"]',
    )
    requires: tuple[ContainerName, ...] = option(
        default=(),
        doc="The same, and it does not run without them: when one is stopped or has failed for good, this one is "
        "stopped until that one is ready again.",
        change=Change.RETUNE,
        example='["db"]',
    )
    on_failed_update: OnFailedUpdate | None = option(
        default=None,
        doc="What happens when an edit's new instance does not become ready: `rollback` to what ran before, or "
        '`retry` by `restart`. Default: rollback, with `ready = "started"` retry.',
        change=Change.RETUNE,
        example='"retry"',
    )
