"""The kinds of plugin that definitions may use, as a value that is handed on: there is no global one. Floor: model."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen


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
