"""The objects that a plugin kind that is a program prints, declared as options are: what each may hold.

They are read by `orchestrator.core.exec_wire`; `plugins/README.md`, "Kinds in any language", is the protocol as its
authors read it. Floor: model.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, NewType

from attrs import frozen

from orchestrator.model.contribution import Stage
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.exec_plugin import PROTOCOL, OptionType
from orchestrator.model.oci import HookStage
from orchestrator.model.option import part
from orchestrator.model.types import AbsolutePath, Capability, DeviceAccess, EnvName, MountPath

Mode = NewType("Mode", int)
"""The permission bits of a file; in JSON a string of octal digits, ``"0644"``."""
Anything = NewType("Anything", object)
Work = NewType("Work", dict[str, Any])
"""A JSON object of whatever the program likes."""
OptionPath = NewType("OptionPath", tuple[str | int, ...])
"""A list of keys and indexes."""
Address = NewType("Address", str)
"""An IP address, or nothing."""
OptionName = NewType("OptionName", str)


class NamespaceType(Enum):
    """The namespaces that a kind may say something about."""

    NETWORK = "network"
    PID = "pid"
    IPC = "ipc"
    UTS = "uts"
    CGROUP = "cgroup"


class NodeKind(Enum):
    """What a device is."""

    CHARACTER = "c"
    BLOCK = "b"


class Transport(Enum):
    """What a port is of."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


@frozen(kw_only=True)
class WireError:
    """What a program prints that fails."""

    code: int = part("What went wrong, in numbers.")
    msg: str = part("What went wrong, in a few words.")
    details: str = part("More of it.", default="")
    version: str = part("The version of the protocol.", default=PROTOCOL)


@frozen(kw_only=True)
class WireOption:
    """An option in a description."""

    type: OptionType = part("What it holds.")
    items: OptionType = part("What a list or a table holds.", default=OptionType.STRING)
    doc: str = part("A sentence or two.")
    required: bool = part("Whether it must be written.", default=False)
    default: Anything | None = part("What it is where it is not written.", default=None)
    example: Anything | None = part("What one might write.", default=None)
    choices: tuple[str, ...] = part("Of a string: all that it may be.", default=())
    minimum: float | None = part("The least that a number may be.", default=None)
    maximum: float | None = part("The most.", default=None)


@frozen(kw_only=True)
class WireDescription:
    """The answer to VERSION."""

    supported: tuple[str, ...] = part("The versions of the protocol that it speaks.")
    doc: str = part("What the kind is, in a sentence.")
    attaches: tuple[Stage, ...] = part("When it does something on the host.", default=())
    options: Mapping[OptionName, WireOption] = part("By name.", factory=dict)


@frozen(kw_only=True)
class WireMount:
    """A mount of a contribution."""

    destination: MountPath = part("Where, inside.")
    type: str = part("The file system's, or bind.")
    source: str = part("What is mounted.")
    options: tuple[str, ...] = part("As mount(8) has them.", default=())


@frozen(kw_only=True)
class WireNamespace:
    """A namespace of a contribution."""

    type: NamespaceType = part("Which.")
    path: AbsolutePath | None = part("The one to join; a new one where there is none.", default=None)


@frozen(kw_only=True)
class WireDevice:
    """A device of a contribution."""

    path: AbsolutePath = part("Where, inside, below /dev.")
    type: NodeKind = part("`c` or `b`.")
    major: int = part("Its number.", minimum=0)
    minor: int = part("Its second number.", minimum=0)
    mode: Mode = part("Its permission bits.", default=Mode(0o660))
    access: DeviceAccess = part("What may be done with it.", default=DeviceAccess("rw"))
    uid: int | None = part("Its owner; the application's user where there is none.", default=None, minimum=0)
    gid: int | None = part("Its group; the application's.", default=None, minimum=0)


@frozen(kw_only=True)
class WireHook:
    """A program of the host that the runtime runs."""

    stage: HookStage = part("When.")
    path: AbsolutePath = part("The program.")
    args: tuple[str, ...] = part("Its arguments, its name first.", default=())
    env: tuple[str, ...] = part("All of its environment, `NAME=value`.", default=())
    timeout: int | None = part("Seconds that it may take.", default=None, minimum=1)


@frozen(kw_only=True)
class WireFile:
    """A file of a contribution."""

    path: AbsolutePath = part("Where, inside.")
    text: str = part("What it says.")
    mode: Mode = part("Its permission bits.", default=Mode(0o444))


@frozen(kw_only=True)
class FolderWire:
    """A folder of the root's skeleton."""

    path: AbsolutePath = part("Where, inside.")
    mode: Mode = part("Its permission bits.", default=Mode(0o755))

    def make(self) -> Entry:
        """As the model has it."""
        return FolderEntry(self.path, self.mode)


@frozen(kw_only=True)
class FileWire:
    """A file of the root's skeleton."""

    path: AbsolutePath = part("Where, inside.")
    text: str = part("What it says.", default="")
    mode: Mode = part("Its permission bits.", default=Mode(0o644))

    def make(self) -> Entry:
        """As the model has it."""
        return FileEntry(self.path, self.text, self.mode)


@frozen(kw_only=True)
class LinkWire:
    """A symbolic link of the root's skeleton."""

    path: AbsolutePath = part("Where, inside.")
    target: str = part("Where it leads.")

    def make(self) -> Entry:
        """As the model has it."""
        return LinkEntry(self.path, self.target)


WireEntry = FolderWire | FileWire | LinkWire
ENTRIES: Mapping[str, type[Any]] = {"folder": FolderWire, "file": FileWire, "link": LinkWire}


@frozen(kw_only=True)
class WireAttachment:
    """Something that is to be done on the host for each instance."""

    stage: Stage | None = part("When; the first of those that the description has.", default=None)
    work: Work = part("What is handed to ATTACH and DETACH.")


@frozen(kw_only=True)
class WireClaim:
    """A port of the host that is taken."""

    protocol: Transport = part("What it is a port of.", default=Transport.TCP)
    port: int = part("Its number.", minimum=1, maximum=65535)
    address: Address = part("Of which address; of all where there is none.", default=Address(""))
    path: OptionPath = part("The option that says so.", default=OptionPath(()))


@frozen(kw_only=True)
class WireFault:
    """A mistake of the user."""

    path: OptionPath = part("The option that it is in.", default=OptionPath(()))
    message: str = part("What is wrong.")
    hint: str = part("What to write instead.", default="")


@frozen(kw_only=True)
class WireContribution:
    """The answer to CONTRIBUTE."""

    version: str = part("The version of the protocol.", default=PROTOCOL)
    mounts: tuple[WireMount, ...] = part("What is mounted.", default=())
    env: Mapping[EnvName, str] = part("Variables.", factory=dict)
    namespaces: tuple[WireNamespace, ...] = part("Namespaces.", default=())
    capabilities: tuple[Capability, ...] = part("Capabilities.", default=())
    devices: tuple[WireDevice, ...] = part("Devices.", default=())
    hooks: tuple[WireHook, ...] = part("Hooks of the runtime.", default=())
    groups: tuple[int, ...] = part("Further groups of the application.", default=())
    entries: tuple[WireEntry, ...] = part("Parts of the root's skeleton.", default=())
    files: tuple[WireFile, ...] = part("Files that are a part of the bundle.", default=())
    attach: tuple[WireAttachment, ...] = part("What is to be done on the host.", default=())
    claims: tuple[WireClaim, ...] = part("Ports of the host.", default=())
    faults: tuple[WireFault, ...] = part("Mistakes of the user.", default=())
