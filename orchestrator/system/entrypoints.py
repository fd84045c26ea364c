"""Finds the kinds of plugin that are installed, built-in ones among them, by their entry points.

https://packaging.python.org/specifications/entry-points/

What is installed is listed in one pass, and nothing of it is imported before a definition names it: a plugin that
cannot be loaded, or hangs, is a matter of those definitions alone. Floor: system.
"""

import importlib
from functools import partial
from typing import Any

from attrs import frozen

from orchestrator.core.foreign import ForeignFailed, call_foreign
from orchestrator.core.misfit import find_misfit_of_kind
from orchestrator.core.suggest import quote
from orchestrator.model.registry import Group, Lazy, Origin, Registry, Unusable
from orchestrator.system.announced import list_announcements
from orchestrator.system.patience import IMPORT, Deadline

BUILTIN = "oci-orchestrator"
"""The distribution that the agent itself is of."""

_GROUPS = {group.value: group for group in Group}


@frozen
class Installed:
    """An entry point: a kind as its distribution announces it."""

    group: Group
    name: str
    value: str
    """As ``package.module:Class``."""
    distribution: str
    version: str

    @property
    def origin(self) -> Origin:
        """Where it comes from."""
        return Origin(
            distribution=self.distribution,
            version=self.version,
            place=self.value,
            builtin=self.distribution == BUILTIN,
        )

    def __str__(self) -> str:
        return f'plugin "{self.name}" of {self.distribution} {self.version} ({self.group.value}: {self.value})'


@frozen
class Listed:
    """All entry points of every group, and what of it cannot be used whoever asks for it."""

    kinds: tuple[Installed, ...]
    notes: tuple[str, ...] = ()


def list_installed() -> Listed:
    """What is installed on the path of this process."""
    kinds: list[Installed] = []
    notes: list[str] = []
    for each in list_announcements():
        for point in each.points:
            if point.group in _GROUPS and point.name:
                group = _GROUPS[point.group]
                kinds.append(Installed(group, point.name, point.value, each.distribution, each.version))
            elif not point.name:
                whose = f"{each.distribution} {each.version} ({point.group})"
                notes.append(f"{whose} announces what is no entry point: {quote(point.value)}")
    # Built-in ones first, then by name, whatever the order on disk is.
    return Listed(tuple(sorted(kinds, key=lambda each: (not each.origin.builtin, each.name))), tuple(notes))


def load_registry(listed: Listed | None = None, loaded: dict[Installed, Lazy] | None = None) -> Registry:
    """All kinds that are installed, to be loaded on use. Of a name that several have, the built-in one counts; without
    one, none does. loaded: what was loaded earlier, which stays loaded; it is added to."""
    listed = list_installed() if listed is None else listed
    loaded = {} if loaded is None else loaded
    registry = Registry()
    for each in listed.kinds:
        others = [other for other in listed.kinds if (other.group, other.name) == (each.group, each.name)]
        if len(others) == 1 or each.origin.builtin:
            lazy = loaded.setdefault(each, Lazy(partial(load, each)))
            registry = registry.with_lazy(each.group, each.name, lazy, each.origin)
        elif not others[0].origin.builtin:
            whose = " and ".join(f"{other.distribution} {other.version}" for other in others)
            reason = f"{len(others)} packages are installed that have it, {whose}: uninstall all but one"
            registry = registry.with_unusable(each.group, each.name, Unusable(reason=reason, origin=each.origin))
    return registry


def _import(value: str) -> object:
    """Raises ValueError, and whatever the module raises."""
    module, sign, path = value.partition("[")[0].partition(":")
    if not sign:
        raise ValueError("expected package.module:Class")
    found: object = importlib.import_module(module.strip())
    for name in path.strip().split("."):
        found = getattr(found, name)
    return found


def load(installed: Installed) -> type[Any] | Unusable:
    """Import a kind, within seconds, and see that it is one. Whatever goes wrong is the answer."""
    try:
        kind: Any = call_foreign(None, lambda _: Deadline(IMPORT), partial(_import, installed.value))
    except ForeignFailed as failed:
        return Unusable(reason=f"{installed} {failed}", origin=installed.origin)
    misfit = find_misfit_of_kind(kind, installed.group, installed.name) if not installed.origin.builtin else ""
    if misfit:
        return Unusable(reason=f"{installed}: {misfit}", origin=installed.origin)
    made: type[Any] = kind
    return made
