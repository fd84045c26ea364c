"""The kinds of plugin that definitions may use, as a value that is handed on: there is no global one. Floor: model."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from attrs import evolve, field, frozen


class Group(Enum):
    """The entry-point groups, one for each kind of plugin."""

    MOUNTS = "orchestrator.mounts"
    NETWORKS = "orchestrator.networks"


@frozen(kw_only=True)
class Origin:
    """Where a kind comes from."""

    distribution: str = ""
    """The name of the installed package; empty for a file of the plugins folder."""
    version: str = ""
    """The package's, or of a file the digest of what it says."""
    place: str = ""
    """The entry point's value, ``package.module:Class``, or the file's path."""
    builtin: bool = False
    """Whether it comes with the agent."""

    def __str__(self) -> str:
        if not self.distribution:
            return self.place
        return f"{self.distribution} {self.version}"


@frozen(kw_only=True)
class Unusable:
    """A kind that is there and cannot be used: a definition that names it has a problem, and nothing else has."""

    reason: str
    """Why, in one line, naming its origin and what was expected."""
    origin: Origin


@frozen
class Registry:
    """The kinds that definitions may use, by group and by the name that ``type`` gives them. A value: `with_kind` and
    `with_unusable` return another one."""

    kinds: Mapping[Group, Mapping[str, type[Any]]] = field(factory=dict)
    origins: Mapping[tuple[Group, str], Origin] = field(factory=dict)
    """Of kinds and of what is unusable, as far as it is known."""
    unusable: Mapping[Group, Mapping[str, Unusable]] = field(factory=dict)

    def with_kind(self, group: Group, name: str, kind: type[Any], origin: Origin | None = None) -> "Registry":
        """This registry and one kind more. A name that is taken is replaced."""
        kinds = {**self.kinds, group: {**self.kinds.get(group, {}), name: kind}}
        unusable = {**self.unusable, group: {k: v for k, v in self.unusable_of(group).items() if k != name}}
        return Registry(kinds, {**self.origins, (group, name): origin or Origin()}, unusable)

    def with_unusable(self, group: Group, name: str, unusable: Unusable) -> "Registry":
        """This registry, in which a kind cannot be used. It takes the place of one that could."""
        kinds = {**self.kinds, group: {k: v for k, v in self.of(group).items() if k != name}}
        marked = {**self.unusable, group: {**self.unusable_of(group), name: unusable}}
        return evolve(self, kinds=kinds, origins={**self.origins, (group, name): unusable.origin}, unusable=marked)

    def of(self, group: Group) -> Mapping[str, type[Any]]:
        """The kinds of a group by name."""
        return self.kinds.get(group, {})

    def unusable_of(self, group: Group) -> Mapping[str, Unusable]:
        """What cannot be used of a group, by name."""
        return self.unusable.get(group, {})

    def origin_of(self, group: Group, name: str) -> Origin:
        """Where a kind comes from; an empty one where that is not known."""
        return self.origins.get((group, name), Origin())

    def __iter__(self) -> Iterator[tuple[Group, str, type[Any]]]:
        for group, kinds in self.kinds.items():
            for name, kind in kinds.items():
                yield group, name, kind
