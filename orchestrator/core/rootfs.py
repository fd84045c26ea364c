"""The root file system of `rootfs = "host"`: a skeleton of mount points, and the host's /usr and files over it.

What a definition mounts wins: a default at or below its destination is left out. Floor: core.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping

from attrs import evolve

from orchestrator.core.defaults import (
    ETC_FILES,
    ETC_FOLDERS,
    HOST_BIND_OPTIONS,
    SCRATCH_MOUNTS,
    SYSTEM_MOUNTS,
    USR_FOLDERS,
)
from orchestrator.model.contribution import Contribution
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.facts import HostFacts, PathAnswer, PathKind
from orchestrator.model.oci import Mount
from orchestrator.model.spec import SkeletonRoot

_MOST_LINKS = 40
"""As the kernel has it, path_resolution(7)."""


def is_below(path: str, folder: str) -> bool:
    """Whether the absolute ``path`` is ``folder`` or lies below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def is_of_host(path: str) -> bool:
    """Whether a path inside may lie below a folder of the host, so that only the host can say if it is there."""
    return any(is_below(path, folder) and path != folder for folder in ("/usr", *USR_FOLDERS, *ETC_FOLDERS))


def usr_links(host: HostFacts, mounted: Iterable[str]) -> Mapping[str, str]:
    """The links beside /usr that the skeleton has: where something is ``mounted``, that takes the link's place."""
    return {path: target for path, target in host.usr_links.items() if target and path not in set(mounted)}


def follow_usr_links(path: str, links: Mapping[str, str]) -> str:
    """A path inside without the links beside /usr: ``/bin/x`` is ``/usr/bin/x`` where /bin is a link there."""
    for _ in range(_MOST_LINKS):
        link = next((link for link in links if is_below(path, link)), None)
        if link is None:
            break
        path = posixpath.normpath(posixpath.join("/", links[link]) + path[len(link) :])
    return path


def host_mounts(host: HostFacts) -> tuple[Mount, ...]:
    """What a `host` rootfs has before a definition mounts anything, without the system's own mounts."""
    folders = ["/usr", *(path for path, target in host.usr_links.items() if not target), *host.etc_files]
    return (*(Mount(path, "bind", path, HOST_BIND_OPTIONS) for path in folders), *SCRATCH_MOUNTS)


def merge_mounts(defaults: Iterable[Mount], own: Iterable[Mount]) -> tuple[Mount, ...]:
    """The defaults that no mount of the definition is at or above, and its own, by destination: parents first. Of two
    with one destination the last stands."""
    chosen = {mount.destination: mount for mount in own}
    hiding = tuple(chosen)
    for mount in defaults:
        if not any(is_below(mount.destination, path) for path in hiding):
            chosen[mount.destination] = mount
    return tuple(sorted(chosen.values(), key=lambda mount: mount.destination.split("/")))


def give_way(contribution: Contribution, mounted: Iterable[str]) -> Contribution:
    """What a network brings along, without what it mounts where the definition mounts something, or below that."""
    folders = tuple(mounted)

    def stays(path: str) -> bool:
        return not any(is_below(path, folder) for folder in folders)

    mounts = tuple(each for each in contribution.mounts if stays(each.destination))
    return evolve(contribution, mounts=mounts, entries=tuple(each for each in contribution.entries if stays(each.path)))


def build_skeleton(links: Mapping[str, str], mounts: Iterable[Mount], own: Iterable[Entry]) -> SkeletonRoot:
    """The skeleton below ``mounts`` (all but the system's own) with ``links``, and the entries that kinds ask for.

    Only what is seen or mounted over is made: nothing below a mount, and the folders that lead to the rest.
    """
    made = (*SYSTEM_MOUNTS, *mounts)
    destinations = {mount.destination for mount in made}
    modes = {mount.destination: mode for mount in made if (mode := _find_mode(mount)) is not None}
    entries: dict[str, Entry] = {path: LinkEntry(path, target) for path, target in links.items()}
    entries |= {path: FileEntry(path) if path in ETC_FILES else FolderEntry(path) for path in destinations}
    entries |= {entry.path: entry for entry in own}
    # runc 1.1 gives a tmpfs the mode of the folder that it is mounted on, whatever the mount says.
    entries |= {path: FolderEntry(path, mode) for path, mode in modes.items() if isinstance(entries[path], FolderEntry)}
    whole: dict[str, Entry] = {}
    for path, entry in entries.items():
        parents = _parents(path)
        if not any(parent in destinations for parent in parents):
            whole |= {parent: FolderEntry(parent) for parent in parents if parent not in entries} | {path: entry}
    return SkeletonRoot(entries=tuple(sorted(whole.values(), key=lambda entry: entry.path.split("/"))))


def _find_mode(mount: Mount) -> int | None:
    """The mode that a tmpfs is to have, tmpfs(5); None of another, and where it has none."""
    modes = [option.removeprefix("mode=") for option in mount.options if option.startswith("mode=")]
    return int(modes[-1], 8) if mount.type == "tmpfs" and modes and re.fullmatch("[0-7]{1,4}", modes[-1]) else None


def find_obstacle(path: str, *, file: bool, host: HostFacts, mounts: Iterable[Mount], answer: PathAnswer) -> str | None:
    """Why there can be no folder (or ``file``) at ``path`` to mount on or to work in, or None if there can.

    path: inside, links beside /usr followed. answer: what the host has there. Below a bind mount of the host's own the
    runtime can make no mount point, so the host must have one, of the right kind. Below a mount of the definition the
    runtime makes it, or says why not.
    """
    parents = set(_parents(path))
    above = [mount for mount in mounts if mount.destination in parents]
    nearest = max(above, key=lambda mount: len(mount.destination), default=None)
    if nearest is None or nearest not in host_mounts(host) or nearest.type != "bind":
        return None
    match answer.kind:
        case PathKind.MISSING:
            return f"{nearest.destination} is the host's, read-only, and has no such file or directory"
        case PathKind.DENIED:
            return f"cannot look at it on the host: {answer.detail}"
        case PathKind.DIRECTORY:
            return "it is a directory on the host, and what is mounted is none" if file else None
        case PathKind.FILE | PathKind.OTHER:
            return None if file else "it is no directory on the host"


def _parents(path: str) -> tuple[str, ...]:
    """The folders that lead to a path, outermost first, without ``/``."""
    parts = path.strip("/").split("/")
    return tuple("/" + "/".join(parts[:count]) for count in range(1, len(parts)))
