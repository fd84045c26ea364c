"""Finds the kinds of plugin that are installed, built-in ones among them, by their entry points.

https://packaging.python.org/specifications/entry-points/ Floor: system.
"""

from importlib.metadata import EntryPoint, entry_points

import attrs

from orchestrator.model.registry import Group, Registry
from orchestrator.ports import OutsideError


class PluginUnusable(OutsideError):
    """An entry point could not be loaded, or what it names is no kind."""


def read_plugin_versions() -> dict[str, str]:
    """The distribution and version of each kind of every group, by ``GROUP/TYPE``, as ``oci-orchestrator 1.0``."""
    found = [(group, entry) for group in Group for entry in entry_points(group=group.value)]
    return {f"{group.value}/{entry.name}": _describe_distribution(entry) for group, entry in found}


def _describe_distribution(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "unknown"


def load_registry() -> Registry:
    """All kinds of every group. Raises PluginUnusable, naming distribution and entry point."""
    registry = Registry()
    for group in Group:
        for entry in entry_points(group=group.value):
            origin = f'plugin "{entry.name}" of {entry.dist.name if entry.dist else "an unknown distribution"}'
            try:
                kind = entry.load()
            except (ImportError, AttributeError) as error:
                raise PluginUnusable(f"cannot load {origin} ({group.value}): {entry.value}: {error}") from error
            missing = [method for method in ("questions", "contribute") if not callable(getattr(kind, method, None))]
            if not isinstance(kind, type) or not attrs.has(kind) or missing:
                why = f"has no {' and no '.join(missing)}" if missing else "is not an attrs class"
                raise PluginUnusable(f"cannot load {origin} ({group.value}): {entry.value} {why}")
            registry = registry.with_kind(group, entry.name, kind)
    return registry
