"""What a class lacks to be a kind of plugin, found when it is loaded and not when it is first used.

Floor: core.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from orchestrator.core.choice import TYPE
from orchestrator.core.converter import check_kind, make_converter
from orchestrator.model.kinds import Attaching, MountKind, NetworkKind
from orchestrator.model.registry import Group, Registry

BASES = {Group.MOUNTS: MountKind, Group.NETWORKS: NetworkKind}
"""The Protocol that the kinds of a group fulfil."""

_ASKED = ("questions", "contribute")
_ATTACHING = ("attach", "detach")


def find_misfit_of_kind(kind: object, group: Group, name: str) -> str:
    """Why ``kind`` cannot be the kind called ``name`` of a group, with what was expected; empty if it can."""
    return next(_find(kind, group, name), "")


def _find(kind: object, group: Group, name: str) -> Iterator[str]:
    if not isinstance(kind, type):
        yield f"expected an attrs class, found {_show_value(kind)}"
        return
    if not attrs.has(kind):
        yield f"expected an attrs class, found {kind.__qualname__} without @frozen or @define"
        return
    own = getattr(kind, TYPE, None)
    if own != name:
        found = f"{TYPE} = {own!r}" if own is not None else f"no {TYPE}"
        yield f'expected {TYPE}: ClassVar[str] = "{name}", found {found} in {kind.__qualname__}'
    yield from _find_of_methods(kind, BASES[group])
    yield from _find_of_attaching(kind)
    try:
        check_kind(kind)
        make_converter(Registry()).get_structure_hook(kind)
    except Exception as error:
        yield str(error) if isinstance(error, TypeError) else f"{type(error).__name__}: {error}"


def _find_of_methods(kind: type[Any], base: type[Any]) -> Iterator[str]:
    for method in _ASKED:
        wanted = _show(method, getattr(base, method))
        found = inspect.getattr_static(kind, method, None)
        if found is None or found is inspect.getattr_static(base, method):
            yield f"expected {wanted}, found no {method}"
        elif isinstance(found, staticmethod | classmethod):
            yield f"expected {wanted}, found a {type(found).__name__}"
        else:
            yield from _compare(method, getattr(base, method), found)


def _find_of_attaching(kind: type[Any]) -> Iterator[str]:
    there = {method: inspect.getattr_static(kind, method, None) for method in _ATTACHING}
    if all(found is None for found in there.values()):
        return
    for method, found in there.items():
        wanted = getattr(Attaching, method)
        if found is None:
            other = next(each for each in _ATTACHING if each != method)
            yield f"expected {_show(method, wanted)} beside {other}, found no {method}"
        elif not isinstance(found, staticmethod):
            yield f"expected {method} to be a @staticmethod, {_show(method, wanted)}, found {_show(method, found)}"
        else:
            yield from _compare(method, wanted, found.__func__)


def _compare(method: str, wanted: Callable[..., Any], found: Any) -> Iterator[str]:  # noqa: ANN401 - whatever is there
    """Whether what is found can be called as what is wanted is."""
    if not callable(found):
        yield f"expected {_show(method, wanted)}, found {_show_value(found)}"
        return
    if inspect.iscoroutinefunction(found):
        yield f"expected {_show(method, wanted)}, found async {_show(method, found)}"
        return
    try:
        inspect.signature(found).bind(*inspect.signature(wanted).parameters)
    except TypeError:
        yield f"expected {_show(method, wanted)}, found {_show(method, found)}"
    except ValueError:
        return  # made in C: nothing says how it is called


def _show(method: str, function: Any) -> str:  # noqa: ANN401 - whatever is there
    """As ``contribute(self, use, facts)``: names alone, which is what is compared."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return f"{method}(…)"
    marks: dict[object, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    names: list[str] = []
    for each in parameters:
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not any(name.startswith("*") for name in names):
            names.append("*")
        names.append(f"{marks.get(each.kind, '')}{each.name}")
    return f"{method}({', '.join(names)})"


def _show_value(value: object) -> str:
    return value.__qualname__ if isinstance(value, type) else f"a {type(value).__name__}"
