"""A ready bundle that lies in a Nix store, with mounts beside it that its root file system has no place for.

Nothing may be made there, so the container gets a root of mount points of its own: what stands at the top of the
bundle's root is mounted into it, and beside that there is room. Floor: core.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from orchestrator.core.defaults import HOST_BIND_OPTIONS
from orchestrator.core.files import render_mount
from orchestrator.core.questions import mount_point, root_entries
from orchestrator.core.rootfs import build_skeleton
from orchestrator.core.suggest import quote
from orchestrator.model.contribution import Contribution
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.facts import Facts, PathKind
from orchestrator.model.oci import Mount
from orchestrator.model.problem import At, Fault
from orchestrator.model.spec import SkeletonRoot


@frozen
class Laid:
    """The root, and what is mounted into it before all else, as config.json has it."""

    root: SkeletonRoot
    mounts: tuple[Mapping[str, Any], ...]


def find_missing_points(bundle: str, destinations: Iterable[str], facts: Facts) -> tuple[str, ...]:
    """The destinations that the root file system of the bundle has no place for."""
    points = ((destination, mount_point(bundle, destination).path) for destination in destinations)
    return tuple(destination for destination, path in points if facts.paths[path].kind is PathKind.MISSING)


def lay_out_stored(
    bundle: str,
    root: str,
    given: Sequence[Mapping[str, Any]],
    missing: Iterable[str],
    parts: Iterable[Contribution],
    facts: Facts,
) -> Laid | tuple[Fault, ...]:
    """A root of its own for a bundle whose root is the folder ``root``.

    given: the mounts of its config.json. missing: by `find_missing_points`. parts: what is mounted beside them. A fault
    for each destination that lies in a folder of the root: there no place can be made either.
    """
    answer = facts.entries[root_entries(bundle).path]
    if answer is None:
        return tuple(_refuse(destination, "its root file system cannot be looked at") for destination in missing)
    taken = {*answer.folders, *answer.files, *(name for name, _ in answer.links)}
    inside = [destination for destination in missing if destination.split("/")[1] in taken]
    if inside:
        why = "there is no such place in the root file system of the bundle, and in a store nothing can be made"
        return tuple(_refuse(destination, why) for destination in inside)
    covered = {mount.get("destination") for mount in given}
    tops = [name for name in (*answer.folders, *answer.files) if f"/{name}" not in covered]
    mounts = [Mount(f"/{name}", "bind", f"{root}/{name}", HOST_BIND_OPTIONS) for name in tops]
    entries: list[Entry] = [FolderEntry(f"/{name}") for name in answer.folders]
    entries += [FileEntry(f"/{name}") for name in answer.files]
    entries += [LinkEntry(f"/{name}", target) for name, target in answer.links]
    entries += [entry for part in parts for entry in part.entries]
    return Laid(build_skeleton({}, mounts, entries), tuple(map(render_mount, mounts)))


def _refuse(destination: str, why: str) -> Fault:
    message = f"cannot mount on {quote(destination)}: {why}"
    return Fault(("mounts", destination), message, "let what builds the bundle make it", At.KEY)
