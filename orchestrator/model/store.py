"""A Nix store, and what it says of paths: where a link leads into it, and what a set of its paths needs.

A *store path* is ``FOLDER/HASH-NAME``, the first entry below the store's folder; a path *in* the store may lie deeper.
All paths here are as the store writes them; where they lie on the host is `Store.find_real`'s answer. Floor: model.
"""

from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen


@frozen
class Store:
    """A store whose paths begin with ``folder``.

    Of a chroot store (``nix --store ROOT``) the files lie elsewhere: then ``real`` differs, and ``root`` is what the
    ``nix`` command is told. ``state`` is the folder with its database and its roots, on the host (NIX_STATE_DIR).
    """

    folder: str = "/nix/store"
    real: str = "/nix/store"
    state: str = "/nix/var/nix"
    root: str = ""

    def find_real(self, path: str) -> str:
        """Where a path in the store lies on the host."""
        return self.real + path[len(self.folder) :]

    def find_written(self, path: str) -> str | None:
        """How the store writes a path of the host, one that has no links any more; None where it is not in it."""
        return self.folder + path[len(self.real) :] if path.startswith(f"{self.real}/") else None

    def cut(self, path: str) -> str | None:
        """The store path that a path in the store lies at or below; None where it is not in it."""
        if not path.startswith(f"{self.folder}/"):
            return None
        name = path[len(self.folder) + 1 :].split("/", 1)[0]
        return f"{self.folder}/{name}" if name else None


NIX_STORE = Store()
"""Where Nix has its store unless it was told otherwise."""


class EntryKind(Enum):
    """What a store path is; a link is not followed."""

    FOLDER = "folder"
    FILE = "file"
    LINK = "link"


@frozen
class StoreEntry:
    """A store path that is there. ``target`` is where it leads if it is a link."""

    path: str
    kind: EntryKind
    target: str = ""


@frozen
class Requisites:
    """The closure of some store paths, in no order; nothing where some of them are ``invalid``."""

    paths: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()


@frozen
class PackageAnswer:
    """What a package offers: the names in its ``bin/``, and those in its ``etc/ssl/certs/``, each sorted."""

    programs: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()


@frozen
class ClosureAnswer:
    """What some store paths need.

    ``entries`` are the paths of the closure, sorted, empty where not all that was asked for is valid; ``invalid`` are
    those asked for that the store does not have; ``detail`` says why the store could not be asked at all, or is empty.
    """

    entries: tuple[StoreEntry, ...] = ()
    invalid: tuple[str, ...] = ()
    packages: Mapping[str, PackageAnswer] = field(factory=dict)
    """By the path of the package."""
    detail: str = ""


@frozen
class StoreLink:
    """A path that a definition names and that leads into a store: as it is written, and in the store."""

    path: str
    target: str


@frozen
class StoreUse:
    """What a bundle needs of a store: ``paths`` are the store paths whose closure is mounted, sorted. They are what has
    to be kept from the garbage collector. ``links`` are the links by which they were found, sorted."""

    store: Store
    paths: tuple[str, ...]
    links: tuple[StoreLink, ...] = ()
