"""Whether a value is of the type that is declared for it, part by part: what foreign code returns is not trusted to be
so, and must not fail far from where it was made. Floor: core.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs


def find_misfit(value: object, wanted: Any) -> str:  # noqa: ANN401 - a type of the model
    """What is of another type than is declared, ``Contribution.mounts[0].destination: expected str, found int``; empty
    if all is well. wanted: an attrs class, an enum, a scalar, ``tuple[X, ...]``, ``Mapping[str, X]`` or a union.

    Parts are looked at, too, but for those of type Any."""
    found = next(_find(value, wanted, ""), None)
    if found is None:
        return ""
    path, misfit = found
    return f"{_show(wanted) if attrs.has(wanted) else ''}{path}: {misfit}" if path else misfit


def _find(value: object, wanted: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a type
    if wanted is Any:
        return
    if hasattr(wanted, "__supertype__"):
        yield from _find(value, wanted.__supertype__, path)
        return
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        yield from _find_of_union(value, wanted, path)
    elif origin is tuple:
        yield from _find_of_tuple(value, wanted, path)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            yield path, _expect("a mapping", value)
            return
        for key, item in value.items():
            yield from _find(key, arguments[0], f"{path}[{key!r}]")
            yield from _find(item, arguments[1], f"{path}[{key!r}]")
    elif wanted is float and type(value) is int:
        return
    elif not isinstance(value, wanted) or (isinstance(value, bool) and wanted is int):
        yield path, _expect(_show(wanted), value)
    elif attrs.has(wanted):
        made_of: Any = type(value)
        for name, hint in _hints(made_of).items():
            yield from _find(getattr(value, name), hint, f"{path}.{name}")


def _find_of_tuple(value: object, wanted: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a type
    arguments = get_args(wanted)
    if not isinstance(value, tuple):
        yield path, _expect("a tuple", value)
        return
    if arguments[-1:] != (Ellipsis,):
        if len(value) != len(arguments):
            yield path, f"expected a tuple of {len(arguments)}, found one of {len(value)}"
            return
    else:
        arguments = (arguments[0],) * len(value)
    for index, (item, hint) in enumerate(zip(value, arguments, strict=True)):
        yield from _find(item, hint, f"{path}[{index}]")


def _find_of_union(value: object, wanted: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a type
    """Of a value that is of one of the classes, what is wrong with its parts."""
    members = [None if member is NoneType else member for member in get_args(wanted)]
    for member in members:
        if member is None and value is None:
            return
        plain = get_origin(member) or getattr(member, "__supertype__", member)
        if isinstance(plain, type) and isinstance(value, plain):
            yield from _find(value, member, path)
            return
    yield path, _expect(" or ".join("None" if member is None else _show(member) for member in members), value)


@lru_cache(maxsize=128)
def _hints(cls: Any) -> Mapping[str, Any]:  # noqa: ANN401 - mypy takes no type for hashable
    hints = get_type_hints(cls)
    return {declared.name: hints[declared.name] for declared in attrs.fields(cls)}


def _expect(noun: str, value: object) -> str:
    return f"expected {noun}, found {type(value).__name__}"


def _show(wanted: Any) -> str:  # noqa: ANN401 - a type
    return str(getattr(wanted, "__name__", wanted))
