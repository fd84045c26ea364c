"""A file of the Container Device Interface, as its specification has it: keys are named as there.

https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md (1.1 and those before). Read by
`orchestrator.core.cdi`. Floor: model.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NewType

from attrs import frozen

from orchestrator.model.option import part
from orchestrator.model.types import AbsolutePath

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0")
"""Of the specification, the oldest first."""

Variable = NewType("Variable", str)
"""``NAME=value``."""
Permissions = NewType("Permissions", str)
"""Some of ``r``, ``w`` and ``m``, or none of them; in a file the last is written ``none``, and empty means all."""


class NodeType(Enum):
    """What a device node is, as mknod(1) has it."""

    BLOCK = "b"
    CHARACTER = "c"
    UNBUFFERED = "u"
    """A character device too."""
    FIFO = "p"


class CdiHookName(Enum):
    """When a hook is run."""

    PRESTART = "prestart"
    CREATE_RUNTIME = "createRuntime"
    CREATE_CONTAINER = "createContainer"
    START_CONTAINER = "startContainer"
    POSTSTART = "poststart"
    POSTSTOP = "poststop"


@frozen(kw_only=True)
class CdiNode:
    """A device node of an edit."""

    path: AbsolutePath = part("Where it is inside.")
    hostPath: AbsolutePath | None = part("Where it is on the host; the same where it is not written.", default=None)
    type: NodeType | None = part("What it is; as on the host.", default=None)
    major: int = part("Its number; 0 is as on the host.", default=0, minimum=0)
    minor: int = part("Its second number.", default=0, minimum=0)
    fileMode: int | None = part("Its permission bits; as on the host.", default=None, minimum=0)
    permissions: Permissions = part("What may be done with it.", default=Permissions("rwm"))
    uid: int | None = part("Its owner inside; the application's user.", default=None, minimum=0, maximum=2**32 - 2)
    gid: int | None = part("Its group inside; the application's.", default=None, minimum=0, maximum=2**32 - 2)


@frozen(kw_only=True)
class CdiMount:
    """A mount of an edit."""

    hostPath: str = part("What is mounted.")
    containerPath: AbsolutePath = part("Where, inside.")
    type: str = part("The file system's.", default="")
    options: tuple[str, ...] = part("As mount(8) has them.", default=())


@frozen(kw_only=True)
class CdiHook:
    """A hook of an edit."""

    hookName: CdiHookName = part("When it is run.")
    path: AbsolutePath = part("The program, on the host.")
    args: tuple[str, ...] = part("Its arguments, its name first.", default=())
    env: tuple[Variable, ...] = part("All of its environment.", default=())
    timeout: int | None = part("Seconds that it may take.", default=None, minimum=1)


@frozen(kw_only=True)
class CdiRdt:
    """What an edit says of cache and memory bandwidth."""

    closID: str = part("The class of service.", default="")
    l3CacheSchema: str = part("Cache.", default="")
    memBwSchema: str = part("Bandwidth.", default="")
    schemata: tuple[str, ...] = part("Both.", default=())
    enableMonitoring: bool = part("Whether it is measured.", default=False)


@frozen(kw_only=True)
class CdiNetDevice:
    """A network interface of the host that an edit moves into the container."""

    hostInterfaceName: str = part("Its name on the host.")
    name: str = part("Its name inside.")


@frozen(kw_only=True)
class CdiEdits:
    """What is added to a config.json."""

    env: tuple[Variable, ...] = part("Variables.", default=())
    deviceNodes: tuple[CdiNode, ...] = part("Devices.", default=())
    mounts: tuple[CdiMount, ...] = part("Mounts.", default=())
    hooks: tuple[CdiHook, ...] = part("Hooks.", default=())
    additionalGids: tuple[int, ...] = part("Further groups; 0 is passed over.", default=())
    intelRdt: CdiRdt | None = part("Cache and bandwidth.", default=None)
    netDevices: tuple[CdiNetDevice, ...] = part("Network interfaces.", default=())


@frozen(kw_only=True)
class CdiDevice:
    """A device of a file."""

    name: str = part("Its name.")
    annotations: Mapping[str, str] = part("Whatever its vendor likes.", factory=dict)
    containerEdits: CdiEdits = part("What is added for it.", factory=CdiEdits)


@frozen(kw_only=True)
class CdiFile:
    """A file: all devices of a kind."""

    cdiVersion: str = part("Of the specification.")
    kind: str = part("Vendor and class.")
    annotations: Mapping[str, str] = part("Whatever its vendor likes.", factory=dict)
    devices: tuple[CdiDevice, ...] = part("The devices.")
    containerEdits: CdiEdits = part("What is added if any of them is asked for.", factory=CdiEdits)
