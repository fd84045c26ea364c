"""Bundles on disk: config.json and the skeleton of a root file system, below a folder named by the digest.

A bundle is made beside its place and renamed into it, so it is there whole or not at all. Nothing is fsync'ed: what
stands there is compared with the value at each use, and made anew where a power cut (or a hand) has damaged it.
Instances, state files and the wording of errors are left to `orchestrator.system.disk`. Floor: system.
"""

import os
import stat
from collections.abc import Collection, Iterable

from orchestrator.core.canonical import canonical_json
from orchestrator.model.bundle import Bundle
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.layout import Layout
from orchestrator.model.spec import SkeletonRoot
from orchestrator.ports import DiskFailed
from orchestrator.system.files import make_folders, remove_tree, write_all

_TEMPORARY = ".new-"
_DAMAGED = ".damaged-"


def store_bundle(layout: Layout, bundle: Bundle) -> None:
    """Make ``bundles/DIGEST`` unless it stands there whole. Raises OSError, DiskFailed."""
    path = layout.bundle(bundle.digest)
    config = canonical_json(bundle.config).encode()
    if _is_whole(path, config, bundle):
        return
    make_folders(layout.state, 0o711)
    make_folders(layout.bundles, 0o700)  # config.json holds the environment
    temporary = f"{layout.bundles}/{_TEMPORARY}{bundle.digest}"
    remove_tree(temporary)
    try:
        os.mkdir(temporary, 0o700)
        if isinstance(bundle.root, SkeletonRoot):
            make_skeleton(f"{temporary}/rootfs", bundle.root.entries)
        write_new(f"{temporary}/config.json", config, 0o600)
        if os.path.lexists(path):
            # A container may still run in the damaged one, and to remove a mount point is to unmount what is on it.
            # So it only steps aside; the sweep takes it with its digest.
            os.rename(path, f"{path}{_DAMAGED}{os.urandom(8).hex()}")
        os.rename(temporary, path)
    except (OSError, DiskFailed):
        remove_tree(temporary)
        raise


def sweep_bundles(layout: Layout, keep: Collection[str]) -> None:
    """Remove the stored bundles whose digests are not in ``keep``, and what was left half made. Raises OSError."""
    for name in list_folder(layout.bundles):
        if name.partition(".")[0] not in keep:
            remove_tree(f"{layout.bundles}/{name}")


def list_folder(path: str) -> list[str]:
    """The names in a folder; none where there is no such folder. Raises OSError."""
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []


def make_skeleton(folder: str, entries: Iterable[Entry]) -> None:
    """Make ``folder`` (which must not be there) with the entries in it, in their order.

    An entry is made only in a folder that was made here before it: so none leads out through a link or ``..``, and
    none is made twice. Raises DiskFailed for one that is not so, OSError for the disk's own reasons.
    """
    os.mkdir(folder, 0o755)
    os.chmod(folder, 0o755)  # whatever the umask said, here and below: same bundle, same modes
    folders, made = {""}, set[str]()
    for entry in entries:
        parent, slash, name = entry.path.rpartition("/")
        if not slash or parent not in folders or entry.path in made or name in ("", ".", ".."):
            raise DiskFailed(
                f"cannot make {entry.path!r} of a root file system in {folder}: "
                f"{'it is made twice' if entry.path in made else 'its parent is no folder made before it'}"
            )
        made.add(entry.path)
        path = f"{folder}{entry.path}"
        match entry:
            case FolderEntry():
                os.mkdir(path, 0o700)
                os.chmod(path, entry.mode)
                folders.add(entry.path)
            case FileEntry():
                write_new(path, _bytes_of(entry), entry.mode)
            case LinkEntry():
                os.symlink(entry.target, path)


def write_new(path: str, data: bytes, mode: int) -> None:
    """Write a file that must not be there yet, in a folder that nobody else looks into yet. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, data)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _is_whole(path: str, config: bytes, bundle: Bundle) -> bool:
    """Whether the bundle at ``path`` says what it must. What more there may be in it (a runtime may have made a mount
    point) is no damage. Raises OSError."""
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode) or _read(f"{path}/config.json") != config:
            return False
        if not isinstance(bundle.root, SkeletonRoot):
            return True
        rootfs = f"{path}/rootfs"
        if not stat.S_ISDIR(os.lstat(rootfs).st_mode):
            return False
        return all(_stands(f"{rootfs}{entry.path}", entry) for entry in bundle.root.entries)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False


def _stands(path: str, entry: Entry) -> bool:
    found = os.lstat(path)
    match entry:
        case FolderEntry():
            return stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == entry.mode
        case LinkEntry():
            return stat.S_ISLNK(found.st_mode) and os.readlink(path) == entry.target
        case FileEntry():
            data = _bytes_of(entry)
            return (
                stat.S_ISREG(found.st_mode)
                and stat.S_IMODE(found.st_mode) == entry.mode
                and found.st_size == len(data)
                and (not data or _read(path) == data)
            )


def _bytes_of(entry: FileEntry) -> bytes:
    return entry.text.encode("utf-8", "surrogateescape")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
