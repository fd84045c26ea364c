"""Which volumes are used by whom, and which may be removed. Floor: core."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from orchestrator.core.plugged import find_uses
from orchestrator.core.suggest import quote, suggest_similar
from orchestrator.model.attached import KEPT
from orchestrator.model.definition import Definition
from orchestrator.model.kinds import Keeping
from orchestrator.model.registry import Registry
from orchestrator.model.state import InstanceState
from orchestrator.model.volume import Volume

_PREFIX = f"{KEPT}/volumes/"


def find_volumes(name: str, definition: Definition) -> frozenset[str]:
    """The volumes that the definition called ``name`` uses."""
    uses = ((used.kind, used.use) for used in find_uses(name, definition))
    return frozenset(volume for kind, use in uses if isinstance(kind, Keeping) for volume in kind.volumes(use))


def find_keeping(registry: Registry) -> frozenset[str]:
    """The names of the kinds that keep volumes: one of them stands in a definition that uses some."""
    return frozenset(name for _, name, kind in registry if issubclass(kind, Keeping))


def find_volumes_of(state: InstanceState, config: Mapping[str, Any] | None) -> frozenset[str]:
    """The volumes that an instance has. config: that of its bundle, if it is there still."""
    found = {each.plan.work["volume"] for each in state.attached if isinstance(each.plan.work.get("volume"), str)}
    for mount in (config or {}).get("mounts", ()):
        paths = [mount.get("source") or "", *(option.partition("=")[2] for option in mount.get("options") or ())]
        found |= {path[len(_PREFIX) :].split("/")[0] for path in paths if path.startswith(_PREFIX)}
    return frozenset(found - {""})


def refuse_removal(volume: Volume, *, with_generations: bool) -> str:
    """Why a volume must not be removed; empty if it may. with_generations: one that only a roll-back would want may."""
    if volume.instances:
        return f"it is in use by {_join(volume.instances)}"
    if volume.definitions:
        return f"it is in use by the definition{'s' * (len(volume.definitions) > 1)} of {_join(volume.definitions)}"
    if volume.generations and not with_generations:
        numbers = f"generation {volume.generations[0]}"
        if len(volume.generations) > 1:
            numbers = f"{len(volume.generations)} generations, the last of them {volume.generations[-1]}"
        return f"a roll-back to {numbers} would want it (--ignore-generations removes it all the same)"
    return ""


def refuse_unknown(name: str, known: Collection[str]) -> str:
    """Why there is no such volume to remove."""
    hint = suggest_similar(name, known)
    return f"there is no volume {quote(name)}{f': {hint}' if hint else ''}"


def describe_users(volume: Volume) -> str:
    """Who uses a volume, for people."""
    parts = [*volume.definitions, *(each for each in volume.instances if not _is_of(each, volume.definitions))]
    if parts:
        return ", ".join(parts)
    count = len(volume.generations)
    return f"{count} earlier generation{'' if count == 1 else 's'}" if count else "nobody"


def _is_of(instance: str, names: Iterable[str]) -> bool:
    return instance.rpartition("-")[0] in set(names)


def _join(names: Collection[str]) -> str:
    return ", ".join(names)
