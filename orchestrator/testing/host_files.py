"""Files, folders and mounts in memory, for `orchestrator.testing.plugin_host.FakeHost`. Floor: testing.

As the kernel does it: a mount stands on a folder or file of another mount, so that what is mounted over a folder hides
what is in it, and is gone with its own content. There are no links. Every error is the OSError that a disk would give.
"""

import errno
import os
from collections.abc import Iterator, Sequence

from attrs import define, evolve, field

from orchestrator.core.mount_options import READ_ONLY, RECURSIVE, read_mount_options


@define(eq=False)
class FakeFile:
    """A file. Without links two paths lead to one file only where it is mounted at the other."""

    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@define(eq=False)
class FakeFolder:
    """A folder, and what is in it by name."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    entries: "dict[str, FakeFile | FakeFolder]" = field(factory=dict)


FakeNode = FakeFile | FakeFolder


@define(eq=False)
class FakeMount:
    """Something that is mounted. ``options`` are as they were given; ``readonly`` is what holds."""

    source: str
    target: str
    kind: str
    options: tuple[str, ...]
    root: FakeNode
    on: "tuple[FakeMount, FakeNode] | None" = None
    """What it stands on: a file or folder, as a mount has it. None for the root's."""
    readonly: bool = False


Spot = tuple[FakeMount, FakeNode]
"""A file or folder, and the mount that it is seen in."""


class FileTree:
    """A host's files. ``mounts`` are those beside the root's, in the order in which they were made."""

    def __init__(self) -> None:
        self._root = FakeMount("", "/", "ext4", (), FakeFolder())
        self.mounts: list[FakeMount] = []

    def find(self, path: str) -> Spot | None:
        """What stands there; None for nothing. Raises OSError (ENOTDIR) below a file."""
        spot: Spot = (self._root, self._root.root)
        for name in _names(path):
            inside = self._enter(spot, name)
            if inside is None:
                return None
            spot = inside
        return spot

    def make_folder(self, path: str, mode: int, uid: int, gid: int) -> bool:
        """Whether it was not there. Raises OSError."""
        found = self.find(path)
        if found is not None:
            if isinstance(found[1], FakeFile):
                raise _error(errno.EEXIST)
            return False
        parent, name = self._make_parent(path)
        parent.entries[name] = FakeFolder(mode, uid, gid)
        return True

    def write(self, path: str, file: FakeFile) -> None:
        """Put a file in the place of what is there. Raises OSError."""
        found = self.find(path)
        if found is not None and isinstance(found[1], FakeFolder):
            raise _error(errno.EISDIR)
        if found is not None and found[0].root is found[1]:
            raise _error(errno.EBUSY)  # rename(2) over a mount point
        parent, name = self._make_parent(path)
        parent.entries[name] = file

    def rewrite(self, path: str, data: bytes) -> None:
        """Change what a file says, or make it. Raises OSError."""
        found = self.find(path)
        if found is None:
            self.write(path, FakeFile(data))
            return
        if isinstance(found[1], FakeFolder):
            raise _error(errno.EISDIR)
        _check_writable(found[0])
        found[1].data = data

    def mount(self, source: str, target: str, kind: str, options: Sequence[str]) -> None:
        """mount(2). A file system of any kind is an empty folder. Raises OSError, ValueError."""
        wanted = read_mount_options(options)
        found = self.find(target)
        if found is None:
            raise _error(errno.ENOENT)
        changes_only = not wanted.flags and not kind and bool(wanted.propagation)
        if wanted.remounts or changes_only:
            if found[0].root is not found[1]:
                raise _error(errno.EINVAL)
            found[0].readonly = found[0].readonly if changes_only else bool(wanted.flags & READ_ONLY)
            return
        root: FakeNode = self._find_source(source) if wanted.binds else _make_root(options)
        if isinstance(root, FakeFile) is not isinstance(found[1], FakeFile):
            raise _error(errno.ENOTDIR)
        inner = self._below(source) if wanted.flags & RECURSIVE else []
        mount = FakeMount(source, target, kind, tuple(options), root, found, bool(wanted.flags & READ_ONLY))
        self.mounts.append(mount)
        for below, each in inner:
            spot = self.find(f"{target}{below}")
            if spot is not None:
                self.mounts.append(evolve(each, target=f"{target}{below}", on=spot))

    def _find_source(self, path: str) -> FakeNode:
        found = self.find(path)
        if found is None:
            raise _error(errno.ENOENT)
        return found[1]

    def _below(self, path: str) -> list[tuple[str, FakeMount]]:
        """What is mounted below a folder, by the rest of its path."""
        return [
            (mount.target.removeprefix(path), mount) for mount in self.mounts if mount.target.startswith(f"{path}/")
        ]

    def unmount(self, path: str) -> None:
        """Take away all that is mounted there and below."""
        below = f"{path.rstrip('/')}/"
        gone = [mount for mount in self.mounts if mount.target == path or mount.target.startswith(below)]
        self.mounts = [mount for mount in self.mounts if mount not in gone]

    def remove(self, path: str) -> None:
        """Remove what is there, mounts from there first. Raises OSError."""
        self.unmount(path)
        try:
            found = self.find(path)
        except NotADirectoryError:
            return
        if found is not None:
            folder, _, name = path.rpartition("/")
            parent = self.find(folder)
            assert parent is not None, "what is in a folder has one"
            assert isinstance(parent[1], FakeFolder), "as above"
            _check_writable(parent[0])
            del parent[1].entries[name]

    def walk(self) -> Iterator[tuple[str, FakeNode]]:
        """All that can be seen, by path, but the root itself."""
        yield from self._walk("", (self._root, self._root.root))

    def _walk(self, path: str, spot: Spot) -> Iterator[tuple[str, FakeNode]]:
        if isinstance(spot[1], FakeFolder):
            for name in sorted(spot[1].entries):
                inside = self._enter(spot, name)
                assert inside is not None, "it was just listed"
                yield f"{path}/{name}", inside[1]
                yield from self._walk(f"{path}/{name}", inside)

    def _enter(self, spot: Spot, name: str) -> Spot | None:
        mount, folder = spot
        if isinstance(folder, FakeFile):
            raise _error(errno.ENOTDIR)
        node = folder.entries.get(name)
        if node is None:
            return None
        spot = (mount, node)
        while upon := [each for each in self.mounts if each.on is not None and _is_same(each.on, spot)]:
            spot = (upon[-1], upon[-1].root)
        return spot

    def _make_parent(self, path: str) -> tuple[FakeFolder, str]:
        *folders, name = _names(path)
        spot: Spot = (self._root, self._root.root)
        for each in folders:
            inside = self._enter(spot, each)
            if inside is None:
                _check_writable(spot[0])
                assert isinstance(spot[1], FakeFolder), "`_enter` raises for a file"
                inside = (spot[0], spot[1].entries.setdefault(each, FakeFolder()))
            spot = inside
        if isinstance(spot[1], FakeFile):
            raise _error(errno.ENOTDIR)
        _check_writable(spot[0])
        return spot[1], name


def _is_same(one: Spot, other: Spot) -> bool:
    return one[0] is other[0] and one[1] is other[1]


def _make_root(options: Sequence[str]) -> FakeFolder:
    given = dict(option.partition("=")[::2] for option in options)
    return FakeFolder(int(given.get("mode", "1777"), 8), int(given.get("uid", "0")), int(given.get("gid", "0")))


def _check_writable(mount: FakeMount) -> None:
    if mount.readonly:
        raise _error(errno.EROFS)


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
