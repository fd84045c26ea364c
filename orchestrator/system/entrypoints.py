"""Finds the kinds of plugin that are installed, built-in ones among them, by their entry points.

https://packaging.python.org/specifications/entry-points/

What is installed is listed in one pass, and nothing of it is imported before a definition names it: a plugin that
cannot be loaded, or hangs, is a matter of those definitions alone. Floor: system.
"""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any

from attrs import field, frozen

from orchestrator.core.foreign import ForeignFailed, call_foreign
from orchestrator.core.misfit import find_misfit_of_kind
from orchestrator.model.registry import Group, Lazy, Origin, Registry, Unusable
from orchestrator.system.patience import IMPORT, Deadline

BUILTIN = "oci-orchestrator"
"""The distribution that the agent itself is of."""

_GROUPS = {group.value: group for group in Group}
_PREFIX = "orchestrator."


@frozen
class Installed:
    """An entry point: a kind as its distribution announces it."""

    group: Group
    name: str
    value: str
    """As ``package.module:Class``."""
    distribution: str
    version: str
    entry: EntryPoint = field(eq=False, repr=False)

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


def list_installed(found: Iterable[Distribution] | None = None) -> Listed:
    """What is installed. found: instead of what is on the path of this process."""
    kinds: list[Installed] = []
    notes: list[str] = []
    seen: set[str] = set()
    for distribution in distributions() if found is None else found:
        try:
            text = distribution.read_text("entry_points.txt") or ""
            if _PREFIX not in text:
                continue  # most have none of ours, and to read on takes longer
            name, version = _read_name(distribution)
            if (known := re.sub(r"[-_.]+", "-", name).lower()) in seen:
                continue  # further back on the path: what Python would not import either
            seen.add(known)
            kinds += _list_of(distribution, text, name, version)
        except Exception as error:  # whatever somebody has put there
            notes.append(f"cannot read what an installed package announces: {type(error).__name__}: {error}")
    # Built-in ones first, then by name, whatever the order on disk is.
    return Listed(tuple(sorted(kinds, key=lambda each: (not each.origin.builtin, each.name))), tuple(notes))


def _read_name(distribution: Distribution) -> tuple[str, str]:
    """Name and version, from the head of the metadata: to parse all of it takes milliseconds
    (https://packaging.python.org/specifications/core-metadata/)."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    head = dict(line.split(": ", 1) for line in text.partition("\n\n")[0].splitlines() if re.match(r"[A-Z]\S*: ", line))
    return head.get("Name", "an unknown distribution"), head.get("Version", "")


def _list_of(distribution: Distribution, text: str, name: str, version: str) -> Iterator[Installed]:
    for entry in distribution.entry_points:
        if entry.group in _GROUPS:
            yield Installed(_GROUPS[entry.group], entry.name, entry.value, name, version, entry)


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


def load(installed: Installed) -> type[Any] | Unusable:
    """Import a kind, within seconds, and see that it is one. Whatever goes wrong is the answer."""
    try:
        kind: Any = call_foreign(None, lambda _: Deadline(IMPORT), installed.entry.load)
    except ForeignFailed as failed:
        return Unusable(reason=f"{installed} {failed}", origin=installed.origin)
    misfit = find_misfit_of_kind(kind, installed.group, installed.name) if not installed.origin.builtin else ""
    if misfit:
        return Unusable(reason=f"{installed}: {misfit}", origin=installed.origin)
    made: type[Any] = kind
    return made
