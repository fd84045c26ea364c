"""Bundles on disk: config.json below a folder named by the digest, and a link to the skeleton of its root file system.

Skeletons have digests of their own, since most bundles differ in their config only: an edit of an environment variable
makes no folder but the bundle's. Both are made beside their place and renamed into it, so they are there whole or not.
Nothing is fsync'ed: what stands there is compared with the value at each use, and made anew where a power cut (or a
hand) has damaged it. Instances, state files and the wording of errors are left to `orchestrator.system.disk`.

Floor: system.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence

from orchestrator.core.canonical import canonical_json
from orchestrator.core.files import FOLDER
from orchestrator.core.render import digest_skeleton
from orchestrator.model.bundle import Bundle
from orchestrator.model.contribution import BundleFile, LiveFile
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.layout import Layout
from orchestrator.model.spec import SkeletonRoot
from orchestrator.ports import DiskFailed
from orchestrator.system.files import make_folders, remove_tree, write_all

_TEMPORARY = ".new-"
_DAMAGED = ".damaged-"


def store_bundle(layout: Layout, bundle: Bundle) -> None:
    """Make ``bundles/DIGEST`` and its skeleton unless they stand there whole. Raises OSError, DiskFailed."""
    link = None
    if isinstance(bundle.root, SkeletonRoot):
        link = f"../../skeletons/{_store_skeleton(layout, bundle.root)}"
    path = layout.bundle(bundle.digest)
    config = canonical_json(bundle.config).encode()
    if _bundle_is_whole(path, config, link):
        return

    def fill(folder: str) -> None:
        os.mkdir(folder, 0o700)
        if link is not None:
            os.symlink(link, f"{folder}/rootfs")
        write_new(f"{folder}/config.json", config, 0o600)

    _put_in_place(layout, path, fill)


def sweep_bundles(layout: Layout, keep: Collection[str], remove: Callable[[str], None]) -> None:
    """Remove the stored bundles whose digests are not in ``keep``, the skeletons that none of these has, and what was
    left half made. remove: takes a tree away. Raises OSError."""
    skeletons = set()
    for name in list_folder(layout.bundles):
        if name.partition(".")[0] not in keep:
            remove(f"{layout.bundles}/{name}")
        elif (link := _read_link(f"{layout.bundles}/{name}/rootfs")) is not None:
            skeletons.add(os.path.basename(link))
    for name in list_folder(layout.skeletons):
        if name.partition(".")[0] not in skeletons:
            remove(f"{layout.skeletons}/{name}")


def _store_skeleton(layout: Layout, root: SkeletonRoot) -> str:
    """Make ``skeletons/DIGEST`` unless it stands there whole; its digest."""
    digest = digest_skeleton(root)
    path = layout.skeleton(digest)
    if not _skeleton_is_whole(path, root):
        _put_in_place(layout, path, lambda folder: make_skeleton(folder, root.entries))
    return digest


def _put_in_place(layout: Layout, path: str, fill: Callable[[str], None]) -> None:
    """Have a folder made beside ``path`` and rename it there."""
    make_folders(layout.state, 0o711)
    folder, name = os.path.split(path)
    make_folders(folder, 0o700)  # config.json holds the environment
    temporary = f"{folder}/{_TEMPORARY}{name}"
    remove_tree(temporary)
    try:
        fill(temporary)
        if os.path.lexists(path):
            # A container may still run in the damaged one, and to remove a mount point is to unmount what is on it.
            # So it only steps aside; the sweep takes it with its digest.
            os.rename(path, f"{path}{_DAMAGED}{os.urandom(8).hex()}")
        os.rename(temporary, path)
    except (OSError, DiskFailed):
        remove_tree(temporary)
        raise


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


def write_files(folder: str, files: Sequence[BundleFile | LiveFile], name: str = FOLDER) -> None:
    """Write the files that a bundle brings along into the folder ``name`` below its own
    (`orchestrator.core.files.mount_files`), nothing where there are none. Raises OSError."""
    if not files:
        return
    os.mkdir(f"{folder}/{name}", 0o755)
    for number, file in enumerate(files):
        write_new(f"{folder}/{name}/{number}", file.text.encode("utf-8", "surrogateescape"), file.mode)


def write_new(path: str, data: bytes, mode: int) -> None:
    """Write a file that must not be there yet, in a folder that nobody else looks into yet. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, data)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _bundle_is_whole(path: str, config: bytes, link: str | None) -> bool:
    """Whether the bundle at ``path`` says what it must. Raises OSError."""
    try:
        stands = stat.S_ISDIR(os.lstat(path).st_mode) and _read(f"{path}/config.json") == config
        return stands and _read_link(f"{path}/rootfs") == link
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False


def _skeleton_is_whole(path: str, root: SkeletonRoot) -> bool:
    """Whether all entries stand at ``path``. What more there may be (a runtime may have made a mount point) is no
    damage. Raises OSError."""
    try:
        stands = stat.S_ISDIR(os.lstat(path).st_mode)
        return stands and all(_stands(f"{path}{entry.path}", entry) for entry in root.entries)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False


def _read_link(path: str) -> str | None:
    """Where a link leads; None where there is none."""
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL, errno.ENOTDIR):
            return None
        raise


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
