"""The kinds of plugin that definitions may use, as a value that is handed on: there is no global one. Floor: model."""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen

T = TypeVar("T")


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


@define(eq=False)
class Lazy:
    """A kind that is loaded once somebody asks for it: a definition that names it, or a list of all."""

    _load: "Callable[[], type[Any] | Unusable]"
    loaded: "type[Any] | Unusable | None" = None
    """None where nobody has asked yet."""

    def get(self) -> "type[Any] | Unusable":
        """What it was loaded to."""
        if self.loaded is None:
            self.loaded = self._load()
        return self.loaded


@frozen
class Registry:
    """The kinds that definitions may use, by group and by the name that ``type`` gives them. A value: `with_kind`,
    `with_lazy` and `with_unusable` return another one."""

    kinds: Mapping[Group, Mapping[str, type[Any]]] = field(factory=dict)
    origins: Mapping[tuple[Group, str], Origin] = field(factory=dict)
    """Of kinds and of what is unusable, as far as it is known."""
    unusable: Mapping[Group, Mapping[str, Unusable]] = field(factory=dict)
    lazy: Mapping[Group, Mapping[str, Lazy]] = field(factory=dict)
    """Those that are loaded on use."""
    unread: tuple[str, ...] = ()
    """Files of plugins of which nobody knows what kinds they have."""

    def with_kind(self, group: Group, name: str, kind: type[Any], origin: Origin | None = None) -> "Registry":
        """This registry and one kind more. A name that is taken is replaced."""
        free = self._without(group, name, origin or Origin())
        return evolve(free, kinds={**free.kinds, group: {**free.kinds.get(group, {}), name: kind}})

    def with_lazy(self, group: Group, name: str, kind: Lazy, origin: Origin | None = None) -> "Registry":
        """This registry and one kind more, that is loaded on use. A name that is taken is replaced."""
        free = self._without(group, name, origin or Origin())
        return evolve(free, lazy={**free.lazy, group: {**free.lazy.get(group, {}), name: kind}})

    def with_unusable(self, group: Group, name: str, unusable: Unusable) -> "Registry":
        """This registry, in which a kind cannot be used. It takes the place of one that could."""
        free = self._without(group, name, unusable.origin)
        return evolve(free, unusable={**free.unusable, group: {**free.unusable.get(group, {}), name: unusable}})

    def find(self, group: Group, name: str) -> type[Any] | Unusable | None:
        """What a name stands for, loaded if it was not; None where nobody has such a kind."""
        lazy = self.lazy.get(group, {}).get(name)
        if lazy is not None:
            return lazy.get()
        return self.kinds.get(group, {}).get(name) or self.unusable.get(group, {}).get(name)

    def names(self, group: Group) -> tuple[str, ...]:
        """The kinds of a group that can be used as far as it is known: nothing is loaded for that."""
        lazy = self.lazy.get(group, {}).items()
        return (*self.kinds.get(group, {}), *(name for name, each in lazy if not isinstance(each.loaded, Unusable)))

    def name_of(self, group: Group, kind: type[Any]) -> tuple[str, ...]:
        """The names by which a class is known: there may be several."""
        loaded = {name: each.loaded for name, each in self.lazy.get(group, {}).items()}
        return tuple(name for name, each in {**self.kinds.get(group, {}), **loaded}.items() if each is kind)

    def of(self, group: Group) -> Mapping[str, type[Any]]:
        """The kinds of a group by name, all of them loaded."""
        loaded = {name: each.get() for name, each in self.lazy.get(group, {}).items()}
        return {
            **self.kinds.get(group, {}),
            **{name: each for name, each in loaded.items() if not isinstance(each, Unusable)},
        }

    def unusable_of(self, group: Group) -> Mapping[str, Unusable]:
        """What cannot be used of a group, by name, all of them loaded."""
        loaded = {name: each.get() for name, each in self.lazy.get(group, {}).items()}
        return {
            **self.unusable.get(group, {}),
            **{name: each for name, each in loaded.items() if isinstance(each, Unusable)},
        }

    def origin_of(self, group: Group, name: str) -> Origin:
        """Where a kind comes from; an empty one where that is not known."""
        return self.origins.get((group, name), Origin())

    def __iter__(self) -> Iterator[tuple[Group, str, type[Any]]]:
        for group in Group:
            for name, kind in self.of(group).items():
                yield group, name, kind

    def _without(self, group: Group, name: str, origin: Origin) -> "Registry":
        def take_away(table: Mapping[Group, Mapping[str, T]]) -> Mapping[Group, Mapping[str, T]]:
            if name not in table.get(group, {}):
                return table
            return {**table, group: {key: value for key, value in table[group].items() if key != name}}

        return Registry(
            take_away(self.kinds),
            {**self.origins, (group, name): origin},
            take_away(self.unusable),
            take_away(self.lazy),
            self.unread,
        )
