"""What a definition asks for as data, by dotted path, and how two such differ: for `plan`, `show` and the event log.

Read off the model as the parser is, so that a field that is added later needs nothing here. What such differences do to
a container that runs is decided by bundles (`orchestrator.core.plan`); here they only say why. Floor: core.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
from attrs import NOTHING, field, frozen

from orchestrator.core.canonical import canonical_json, digest_of
from orchestrator.core.choice import TYPE
from orchestrator.core.values import format_duration, format_size
from orchestrator.model.action import FieldChange
from orchestrator.model.definition import Definition, EnvFile
from orchestrator.model.kinds import MountKind, NetworkKind
from orchestrator.model.option import Change, options_of
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import dotted
from orchestrator.model.registry import Group, Registry
from orchestrator.model.store import StoreUse
from orchestrator.model.types import Duration, FileMode, RlimitValue, Size, Umask

LONGEST_VALUE = 2000
"""Characters of a value's JSON: of a longer one (a script) the beginning and a digest are kept, since fields are
written to the state file with each change of state."""

HOST_PREFIX = "host:"
"""What the path of a change begins with that is none of the definition."""

_SHOWN_OF_LONG = 200
_KINDS_AT_ONCE = 256
"""Options classes that are remembered: those of a plugin that was edited are others each time."""
_SHOWN_OF_DIGEST = 12
_UNLIMITED = 2**64 - 1
_GROUPS: Mapping[Any, Group] = {MountKind: Group.MOUNTS, NetworkKind: Group.NETWORKS}
_STRENGTH = (Change.RETUNE, Change.UPDATE, Change.BY_VALUE, Change.REPLACE)


@frozen
class _Option:
    """What must be known of one field of an options class. ``default`` is NOTHING where there is none."""

    key: str
    name: str
    type: Any
    default: Any
    change: Change
    replacing: tuple[str, ...]
    """The values to and from which an edit replaces, of `Change.BY_VALUE`."""


def describe_fields(
    definition: Definition, registry: Registry, digests: Mapping[str, str | None] | None = None
) -> dict[str, Any]:
    """What a definition asks for, as far as it is not the default: JSON data by dotted path, as a file writes it.

    Tables are walked to their leaves, a list is one value. A kind has ``type`` beside its options, unless that is the
    default's. digests: of the files of variables, by path; nothing else of what they say is told, and nothing at all of
    one that is not watched.
    """
    leaves = _Writer(registry, digests or {}).walk(definition, Definition, definition, ())
    return {dotted(path): _shorten(value) for path, value in leaves}


def describe_links(use: StoreUse | None) -> dict[str, Any]:
    """Where in a store the links lead that a definition names, by path: what of the host it is made from."""
    return {f"{HOST_PREFIX}{link.path}": link.target for link in use.links} if use is not None else {}


def describe_whole(definition: Definition, registry: Registry) -> dict[str, Any]:
    """A definition as a JSON file of it would be, with every default in: null where that is to have none."""
    table: dict[str, Any] = _Writer(registry, whole=True).write(definition, Definition)
    return table


def write_value(value: Any, wanted: Any, registry: Registry) -> Any:  # noqa: ANN401 - a value of the model and its type
    """A value of an option as a file writes it, what is at its default in it left away: JSON data."""
    return _Writer(registry).write(value, wanted)


def classify(changes: Iterable[FieldChange], registry: Registry | None = None) -> Change | None:
    """What these changes make of a container that runs, at the most: the strongest of their classes, as the model
    declares them. None where there is no change. registry: without one the options of a plugin's kind are as the field
    that it stands in.
    """
    registry = registry or Registry()
    classes = {classify_path(change.path, registry, (change.old, change.new)) for change in changes}
    return max(classes, key=_STRENGTH.index, default=None)


def classify_path(path: str, registry: Registry, values: tuple[Any, ...] | None = None) -> Change:
    """The class of a change of what stands at a path; what the host makes of a definition is part of the bundle.

    values: what stands there before and after it, by which a class `Change.BY_VALUE` is decided; without them it is
    told as it is declared.
    """
    if path.startswith(HOST_PREFIX):
        return Change.REPLACE
    return _classify_keys(Definition, _split(path), registry, values) or Change.REPLACE


def _split(path: str) -> list[str]:
    """The keys of a dotted path: it is what TOML has as a key."""
    table: Any = tomllib.loads(f"{path} = 0")
    keys = []
    while isinstance(table, dict):
        ((key, table),) = table.items()
        keys.append(key)
    return keys


def _classify_keys(
    cls: Any,  # noqa: ANN401 - a class
    keys: list[str],
    registry: Registry,
    values: tuple[Any, ...] | None,
) -> Change | None:
    """The class of the option that ``keys`` lead to from an options class; None where they lead to none."""
    for option in _options_of(cls):
        if option.key == keys[0]:
            inner = _classify_inside(option.type, keys[1:], registry, values)
            return inner or _decide(option, values)
    return None


def _decide(option: _Option, values: tuple[Any, ...] | None) -> Change | None:
    if option.change is Change.BY_VALUE and values is not None:
        return Change.REPLACE if any(value in option.replacing for value in values) else Change.RETUNE
    return None if option.change is Change.BY_FIELD else option.change


def _classify_inside(
    wanted: Any,  # noqa: ANN401 - a type
    keys: list[str],
    registry: Registry,
    values: tuple[Any, ...] | None,
) -> Change | None:
    if get_origin(wanted) is not None and issubclass(_origin_class(wanted), Mapping):
        return _classify_inside(get_args(wanted)[1], keys[1:], registry, values)
    if not keys:
        return None
    found = [_classify_keys(each, keys, registry, values) for each in _classes_of(wanted, registry)]
    # Of which kind it is an option is not in the path: the strongest errs on the safe side.
    return max((each for each in found if each is not None), key=_STRENGTH.index, default=None)


def _classes_of(wanted: Any, registry: Registry) -> list[type[Any]]:  # noqa: ANN401 - a type
    """The options classes that a value of a type may be of."""
    if wanted in _GROUPS:
        return list(registry.of(_GROUPS[wanted]).values())
    return [part for part in (wanted, *get_args(wanted)) if isinstance(part, type) and attrs.has(part)]


def _origin_class(wanted: Any) -> type[Any]:  # noqa: ANN401 - a type
    origin = get_origin(wanted)
    return origin if isinstance(origin, type) else object


@frozen
class _Writer:
    """Writes values of the model as data. ``whole``: what is at its default too."""

    registry: Registry
    digests: Mapping[str, str | None] = field(factory=dict)
    whole: bool = False

    def walk(
        self,
        value: Any,  # noqa: ANN401 - the value of an option, or of a table's key
        wanted: Any,  # noqa: ANN401 - its type
        default: Any,  # noqa: ANN401 - its default
        path: KeyPath,
    ) -> Iterator[tuple[KeyPath, Any]]:
        """The leaves of a value, with their paths."""
        if attrs.has(type(value)):
            kind = _kind_of(value, wanted, self.registry)
            if kind is not None and type(value) is not type(default):
                yield (*path, TYPE), kind
            for option, given in self._options(value):
                yield from self.walk(given, option.type, option.default, (*path, option.key))
        elif isinstance(value, Mapping):
            item_type = get_args(wanted)[1]
            for key, item in value.items():
                leaves = list(self.walk(item, item_type, NOTHING, (*path, key)))
                yield from leaves or [((*path, key), {})]  # that it is there says something too
        else:
            yield path, self.write(value, wanted)

    def write(self, value: Any, wanted: Any) -> Any:  # noqa: ANN401 - a value of the model and its type, to JSON data
        """A value as one piece, as a file writes it."""
        if value is None:
            return None
        wanted = _without_none(wanted)
        if isinstance(value, tuple):
            return [self.write(item, get_args(wanted)[0]) for item in value]
        if isinstance(value, Mapping):
            return {key: self.write(item, get_args(wanted)[1]) for key, item in value.items()}
        if attrs.has(type(value)):
            return self._write_options(value, wanted)
        if isinstance(value, Enum):
            return value.value
        if wanted is Duration:
            return format_duration(value)
        if wanted is Size:
            return json.loads(format_size(value))
        if wanted in (Umask, FileMode):
            return f"{value:04o}"
        if wanted is RlimitValue and value == _UNLIMITED:
            return "unlimited"
        return value

    def _write_options(self, value: object, wanted: Any) -> dict[str, Any]:  # noqa: ANN401 - a type
        kind = _kind_of(value, wanted, self.registry)
        table = {} if kind is None else {TYPE: kind}
        for option, given in self._options(value):
            table[option.key] = self.write(given, option.type)
        if isinstance(value, EnvFile) and value.watch and (digest := self.digests.get(value.path)):
            table["digest"] = digest[:_SHOWN_OF_DIGEST]
        return table

    def _options(self, value: object) -> Iterator[tuple[_Option, Any]]:
        """The options of an options class that are to be written, with their values."""
        cls: Any = type(value)
        for option in _options_of(cls):
            given = getattr(value, option.name)
            if self.whole or option.default is NOTHING or given != option.default:
                yield option, given


def _kind_of(value: object, wanted: Any, registry: Registry) -> str | None:  # noqa: ANN401 - a type
    """What ``type`` says of a value: the name that its class is registered by, or names itself by where the kinds are
    a closed set; None for what is of no kind."""
    cls = type(value)
    own = getattr(cls, TYPE, None)
    names = registry.name_of(_GROUPS[wanted], cls) if wanted in _GROUPS else ()
    if names and own not in names:
        return names[0]
    return own if isinstance(own, str) else None


@lru_cache(_KINDS_AT_ONCE)
def _options_of(cls: Any) -> tuple[_Option, ...]:  # noqa: ANN401 - mypy takes no type for hashable
    types = get_type_hints(cls)
    return tuple(
        _Option(
            key=declared.alias or declared.name,
            name=declared.name,
            type=_without_none(types[declared.name]),
            default=default_of(declared),
            change=declared.metadata["change"],
            replacing=declared.metadata["replacing"],
        )
        for declared in options_of(cls)
    )


def default_of(declared: "attrs.Attribute[Any]") -> Any:  # noqa: ANN401 - a value of any option
    """The default of an option; NOTHING where there is none."""
    default: Any = declared.default
    if not isinstance(default, attrs.Factory):  # type: ignore[arg-type] # a class at run time, a function to mypy
        return default
    return NOTHING if default.takes_self else default.factory()


def _without_none(wanted: Any) -> Any:  # noqa: ANN401 - a type
    """``X`` of ``X | None``."""
    if get_origin(wanted) not in (Union, UnionType):
        return wanted
    return Union.__getitem__(tuple(part for part in get_args(wanted) if part is not NoneType))


def _shorten(value: Any) -> Any:  # noqa: ANN401 - JSON data
    text = value if isinstance(value, str) else canonical_json(value) if isinstance(value, list | dict) else ""
    if len(text) <= LONGEST_VALUE:
        return value
    return f"{text[:_SHOWN_OF_LONG]}… ({len(text)} characters, sha256 {digest_of(value)[:_SHOWN_OF_DIGEST]})"
