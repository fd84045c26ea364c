"""Plugin kinds that are programs: the words of the protocol between them and the agent. Floor: model.

`plugins/README.md`, "Kinds in any language", is the protocol as their authors read it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen

from orchestrator.model.contribution import Stage
from orchestrator.model.registry import Group

PROTOCOL = "1.0"
"""The version of the protocol that is spoken here."""

SUFFIXES: Mapping[str, Group] = {".mount": Group.MOUNTS, ".network": Group.NETWORKS}
"""What the name of a program ends with that is a kind; the rest of it is the value of ``type``."""

ENVIRONMENT = "ORCHESTRATOR_"
"""What the names of the variables begin with that tell a program what to do."""


class Command(Enum):
    """The verbs: the value of ``ORCHESTRATOR_COMMAND``."""

    VERSION = "VERSION"
    """Which versions of the protocol are spoken, and what the kind is."""
    CONTRIBUTE = "CONTRIBUTE"
    """What it adds to a container. It does nothing to the host."""
    ATTACH = "ATTACH"
    """Do what is to be done on the host for an instance."""
    DETACH = "DETACH"
    """Undo it."""


class OptionType(Enum):
    """What an option holds, and so how a file writes it."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    PATH = "path"
    """An absolute path, normalised."""
    DURATION = "duration"
    """Written "1m30s"; seconds in a request."""
    SIZE = "size"
    """Written "256M" or as an integer; bytes in a request."""
    LIST = "list"
    TABLE = "table"
    """By names that are free."""


@frozen(kw_only=True)
class OptionDescription:
    """An option of such a kind, as its program describes it."""

    name: str
    type: OptionType
    items: OptionType = OptionType.STRING
    """What a list or a table holds."""
    doc: str
    required: bool = False
    default: Any = None
    """As a file writes it; None where there is none."""
    example: Any = None
    """As a file writes it; None where there is none."""
    choices: tuple[str, ...] = ()
    """Of a string: what it may be; anything where there are none."""
    minimum: float | None = None
    maximum: float | None = None


@frozen(kw_only=True)
class Program:
    """A program that is a kind, and what it says of itself."""

    path: str
    digest: str
    group: Group
    name: str
    """The value of ``type``."""
    doc: str = ""
    attaches: tuple[Stage, ...] = ()
    """When it has something to do on the host; never where there are none."""
    options: tuple[OptionDescription, ...] = field(default=())
