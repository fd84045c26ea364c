"""All that an author of a plugin imports. Floor: above core, beside ports.

A kind is a frozen attrs class; its fields, declared with `option`, are its options. See plugins/README.md.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen

from orchestrator.model.contribution import Contribution
from orchestrator.model.definition import AbsolutePath, Duration, EnvName, HostName, SignalName, Size, UserName
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.facts import (
    Facts,
    HostFacts,
    PathAnswer,
    PathKind,
    PathQuestion,
    Question,
    TextQuestion,
)
from orchestrator.model.kinds import MountKind, NetworkKind, Use
from orchestrator.model.oci import Mount, Namespace
from orchestrator.model.option import Change, option
from orchestrator.model.problem import At, Fault

__all__ = [
    "AbsolutePath",
    "At",
    "Change",
    "Contribution",
    "Duration",
    "Entry",
    "EnvName",
    "Facts",
    "Fault",
    "FileEntry",
    "FolderEntry",
    "Group",
    "HostFacts",
    "HostName",
    "LinkEntry",
    "Mount",
    "MountKind",
    "Namespace",
    "NetworkKind",
    "PathAnswer",
    "PathKind",
    "PathQuestion",
    "Question",
    "Registry",
    "SignalName",
    "Size",
    "TextQuestion",
    "Use",
    "UserName",
    "option",
]


class Group(Enum):
    """The entry-point groups, one for each kind of plugin."""

    MOUNTS = "orchestrator.mounts"
    NETWORKS = "orchestrator.networks"


@frozen
class Registry:
    """The kinds that definitions may use, by group and by the name that ``type`` gives them. A value: `with_kind`
    returns another one."""

    kinds: Mapping[Group, Mapping[str, type[Any]]] = field(factory=dict)

    def with_kind(self, group: Group, name: str, kind: type[Any]) -> "Registry":
        """This registry and one kind more. A name that is taken is replaced."""
        return Registry({**self.kinds, group: {**self.kinds.get(group, {}), name: kind}})

    def of(self, group: Group) -> Mapping[str, type[Any]]:
        """The kinds of a group by name."""
        return self.kinds.get(group, {})

    def __iter__(self) -> Iterator[tuple[Group, str, type[Any]]]:
        for group, kinds in self.kinds.items():
            for name, kind in kinds.items():
                yield group, name, kind
