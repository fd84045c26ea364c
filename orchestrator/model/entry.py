"""The entries of a rootfs skeleton: what is made on disk before anything is mounted over it. Floor: model.

Paths are absolute as seen inside the container.
"""

from attrs import frozen


@frozen
class FolderEntry:
    """A folder, mostly a mount point."""

    path: str
    mode: int = 0o755


@frozen
class FileEntry:
    """A small file; an empty one is a mount point for a file."""

    path: str
    text: str = ""
    mode: int = 0o644


@frozen
class LinkEntry:
    """A symbolic link."""

    path: str
    target: str


Entry = FolderEntry | FileEntry | LinkEntry
