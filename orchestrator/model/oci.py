"""The part of the OCI runtime-spec's config.json that is written here. Floor: model.

https://github.com/opencontainers/runtime-spec/blob/main/config.md and config-linux.md
"""

from enum import Enum

from attrs import frozen


@frozen
class Mount:
    """An entry of ``mounts``: `type` is a file system's (``tmpfs``) or ``bind``; options as mount(8) has them."""

    destination: str
    type: str
    source: str
    options: tuple[str, ...] = ()


@frozen
class Namespace:
    """An entry of ``linux.namespaces``; without a path a new namespace is made."""

    type: str
    path: str | None = None


@frozen
class User:
    """``process.user``: who the application runs as, in numbers."""

    uid: int
    gid: int
    additional_gids: tuple[int, ...] = ()
    umask: int = 0o022


@frozen
class Rlimit:
    """An entry of ``process.rlimits``: ``type`` is ``RLIMIT_NOFILE``; no limit is 2^64 - 1."""

    type: str
    soft: int
    hard: int


@frozen(kw_only=True)
class Device:
    """An entry of ``linux.devices``, and the rule of ``linux.resources.devices`` that allows it.

    ``type`` is ``c`` or ``b``; ``mode`` has the permission bits only; ``access`` is made of ``r``, ``w`` and ``m``.
    """

    path: str
    type: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int
    access: str


class HookStage(Enum):
    """When a hook is run (config.md, "POSIX-platform Hooks")."""

    PRESTART = "prestart"
    """Deprecated there, and used still."""
    CREATE_RUNTIME = "createRuntime"
    CREATE_CONTAINER = "createContainer"
    START_CONTAINER = "startContainer"
    POSTSTART = "poststart"
    POSTSTOP = "poststop"


@frozen(kw_only=True)
class Hook:
    """An entry of ``hooks``: a program that the runtime runs. Without a timeout, in seconds, it is waited for."""

    stage: HookStage
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None


@frozen(kw_only=True)
class DeviceNode:
    """A device that somebody else than the definition asks for: as `Device`, and belongs to whoever the application
    runs as where ``uid`` or ``gid`` say nothing. With an empty ``access`` it is there, and nothing may be done with
    it."""

    path: str
    type: str
    major: int
    minor: int
    mode: int
    access: str
    uid: int | None = None
    gid: int | None = None
