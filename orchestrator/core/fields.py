"""What a definition asks for as data, by dotted path, and how two such differ: for `plan`, `show` and the event log.

Read off the model as the parser is, so that a field that is added later needs nothing here. What such differences do to
a container that runs is decided by bundles (`orchestrator.core.plan`); here they only say why. Floor: core.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
from attrs import NOTHING, frozen

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
from orchestrator.model.types import Duration, RlimitValue, Size, Umask

LONGEST_VALUE = 2000
"""Characters of a value's JSON: of a longer one (a script) the beginning and a digest are kept, since fields are
written to the state file with each change of state."""

_SHOWN_OF_LONG = 200
_SHOWN_OF_DIGEST = 12
_UNLIMITED = 2**64 - 1
_GROUPS: Mapping[Any, Group] = {MountKind: Group.MOUNTS, NetworkKind: Group.NETWORKS}
_STRENGTH = (Change.RETUNE, Change.UPDATE, Change.REPLACE)


@frozen
class _Option:
    """What must be known of one field of an options class. ``default`` is NOTHING where there is none."""

    key: str
    name: str
    type: Any
    default: Any
    change: Change


def describe_fields(
    definition: Definition, registry: Registry, digests: Mapping[str, str | None] | None = None
) -> dict[str, Any]:
    """What a definition asks for, as far as it is not the default: JSON data by dotted path, as a file writes it.

    Tables are walked to their leaves, a list is one value. A kind has ``type`` beside its options, unless that is the
    default's. digests: of the files of variables, by path; nothing else of what they say is told, and nothing at all of
    one that is not watched.
    """
    fields: dict[str, Any] = {}
    for path, value in _walk_options(definition, (), registry, digests or {}):
        fields[dotted(path)] = _shorten(value)
    return fields


def diff_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields that differ between two results of `describe_fields`, by path."""
    paths = sorted({*old, *new})
    return tuple(FieldChange(path, old.get(path), new.get(path)) for path in paths if old.get(path) != new.get(path))


def classify(changes: Iterable[FieldChange], registry: Registry) -> Change | None:
    """What these changes make of a container that runs, at the most: the strongest of their classes, as the model
    declares them. None where there is no change."""
    classes = {classify_path(change.path, registry) for change in changes}
    return max(classes, key=_STRENGTH.index, default=None)


def classify_path(path: str, registry: Registry) -> Change:
    """The class of a change of what stands at a path. What the host makes of a definition is part of the bundle."""
    if path.startswith("host:"):
        return Change.REPLACE
    return _classify_keys(Definition, _split(path), registry) or Change.REPLACE


def show_change(change: FieldChange) -> str:
    """A change in one line for people: ``env.LANG: "C" → "C.UTF-8"``."""
    if change.old == change.new:
        return f"{change.path}: differs"
    return f"{change.path}: {_show(change.old)} → {_show(change.new)}"


def _show(value: object) -> str:
    if value is None:
        return "default"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _split(path: str) -> list[str]:
    """The keys of a dotted path: it is what TOML has as a key."""
    table: Any = tomllib.loads(f"{path} = 0")
    keys = []
    while isinstance(table, dict):
        ((key, table),) = table.items()
        keys.append(key)
    return keys


def _classify_keys(cls: Any, keys: list[str], registry: Registry) -> Change | None:  # noqa: ANN401 - a class
    """The class of the option that ``keys`` lead to from an options class; None where they lead to none."""
    for option in _options_of(cls):
        if option.key == keys[0]:
            inner = _classify_inside(option.type, keys[1:], registry)
            return inner or (None if option.change is Change.BY_FIELD else option.change)
    return None


def _classify_inside(wanted: Any, keys: list[str], registry: Registry) -> Change | None:  # noqa: ANN401 - a type
    if get_origin(wanted) is not None and issubclass(_origin_class(wanted), Mapping):
        return _classify_inside(get_args(wanted)[1], keys[1:], registry)
    if not keys:
        return None
    found = [_classify_keys(each, keys, registry) for each in _classes_of(wanted, registry)]
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


def _walk_options(
    value: Any,  # noqa: ANN401 - an instance of an options class
    path: KeyPath,
    registry: Registry,
    digests: Mapping[str, str | None],
) -> Iterator[tuple[KeyPath, Any]]:
    for option, given in _list_set(value):
        yield from _walk(given, option.type, option.default, (*path, option.key), registry, digests)


def _walk(
    value: Any,  # noqa: ANN401 - the value of an option
    wanted: Any,  # noqa: ANN401 - its type
    default: Any,  # noqa: ANN401 - its default
    path: KeyPath,
    registry: Registry,
    digests: Mapping[str, str | None],
) -> Iterator[tuple[KeyPath, Any]]:
    if attrs.has(type(value)):
        kind = _kind_of(value, wanted, registry)
        if kind is not None and type(value) is not type(default):
            yield (*path, TYPE), kind
        yield from _walk_options(value, path, registry, digests)
    elif isinstance(value, Mapping):
        item_type = get_args(wanted)[1]
        for key, item in value.items():
            leaves = list(_walk(item, item_type, NOTHING, (*path, key), registry, digests))
            yield from leaves or [((*path, key), {})]  # that it is there says something too
    else:
        yield path, _to_data(value, wanted, registry, digests)


def _to_data(
    value: Any,  # noqa: ANN401 - a value of an option
    wanted: Any,  # noqa: ANN401 - its type
    registry: Registry,
    digests: Mapping[str, str | None],
) -> Any:  # noqa: ANN401 - JSON data
    """A value as a file writes it."""
    wanted = _without_none(wanted)
    if isinstance(value, tuple):
        return [_to_data(item, get_args(wanted)[0], registry, digests) for item in value]
    if isinstance(value, Mapping):
        return {key: _to_data(item, get_args(wanted)[1], registry, digests) for key, item in value.items()}
    if isinstance(value, EnvFile):
        digest = digests.get(value.path) if value.watch else None
        known = {"digest": digest[:_SHOWN_OF_DIGEST]} if digest else {}
        return {"path": value.path, "watch": value.watch, **known}
    if attrs.has(type(value)):
        kind = _kind_of(value, wanted, registry)
        table = {} if kind is None else {TYPE: kind}
        for option, given in _list_set(value):
            table[option.key] = _to_data(given, option.type, registry, digests)
        return table
    if isinstance(value, Enum):
        return value.value
    if wanted is Duration:
        return format_duration(value)
    if wanted is Size:
        return json.loads(format_size(value))
    if wanted is Umask:
        return f"{value:04o}"
    if wanted is RlimitValue and value == _UNLIMITED:
        return "unlimited"
    return value


def _kind_of(value: object, wanted: Any, registry: Registry) -> str | None:  # noqa: ANN401 - a type
    """What ``type`` says of a value: the name that its class is registered by, or names itself by where the kinds are
    a closed set; None for what is of no kind."""
    cls = type(value)
    own = getattr(cls, TYPE, None)
    names = [name for name, kind in registry.of(_GROUPS[wanted]).items() if kind is cls] if wanted in _GROUPS else []
    if names and own not in names:
        return names[0]
    return own if isinstance(own, str) else None


def _list_set(value: object) -> Iterator[tuple[_Option, Any]]:
    """The options of an options class that are not at their defaults, with their values."""
    cls: Any = type(value)
    for option in _options_of(cls):
        given = getattr(value, option.name)
        if option.default is NOTHING or given != option.default:
            yield option, given


@cache
def _options_of(cls: Any) -> tuple[_Option, ...]:  # noqa: ANN401 - mypy takes no type for hashable
    types = get_type_hints(cls)
    return tuple(
        _Option(
            key=declared.alias or declared.name,
            name=declared.name,
            type=_without_none(types[declared.name]),
            default=_default_of(declared.default),
            change=declared.metadata["change"],
        )
        for declared in options_of(cls)
    )


def _default_of(default: Any) -> Any:  # noqa: ANN401 - as attrs has it
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
