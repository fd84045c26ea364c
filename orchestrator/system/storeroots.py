"""Keeps what bundles need of a Nix store from its garbage collector, as long as they may run or be gone back to.

A root is a link to a store path below ``gcroots`` of the store's state folder ("Garbage Collector Roots" of the Nix
manual): here a folder for each bundle, and in the state directory a link to that folder, so that whoever clears out
knows of it whatever was cut short. Made by hand, since the command takes as long as a start of a container; as the
command does, with the collector's lock held, or where one is at work by telling it (nix 2.5 and later listen). So what
is valid afterwards stays. Floor: system.
"""

import errno
import fcntl
import hashlib
import os
import re
import socket
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress

from orchestrator.model.store import Store, StoreUse
from orchestrator.ports import DiskFailed
from orchestrator.system.files import make_folders, remove_tree

COLLECTOR_PATIENCE = 1.0
"""Seconds that a collector at work may take to take note of all paths of a bundle: nothing else goes on meanwhile."""

_PLACE = "gcroots/orchestrator"
_FORM = re.compile(rf"/.*/{_PLACE}/(?P<owner>[0-9a-f]{{16}})/(?P<digest>[^/]+)")
_OWNER = "record"
_NOT_OURS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""The store is another's: its roots are not ours to make, and what is in it can be run all the same."""


class StoreRoots:
    """The roots of one agent, which its state directory knows of."""

    def __init__(self, folder: str) -> None:
        """folder: of the state directory, for the links to the folders of roots. It is made with the first."""
        self._folder = folder
        # Another agent of the host may have a bundle of the same digest.
        self._owner = hashlib.sha256(folder.encode()).hexdigest()[:16]
        self._troubles: dict[str, str] = {}
        """By the state folder of the store, as it was told."""
        self._tell: Callable[[str], object] = lambda text: None

    def tell(self, tell: Callable[[str], object]) -> None:
        """From now on tell why no roots can be made, and an empty text when they can."""
        self._tell = tell

    def add(self, digest: str, use: StoreUse) -> None:
        """Have the store paths of a bundle kept, and see that they are valid once they are. Idempotent.

        Where the roots are not ours to make that is told, and goes on. Raises DiskFailed where a path is not valid, or
        a collector is at work that cannot be told; OSError for what stands in the way of the disk.
        """
        trouble = ""
        if self._stand(digest, use):  # a collector at work has seen them
            gone = _find_gone(use.store, use.paths)
        else:
            with _hold_off_collector(use.store, use.paths):
                try:
                    self._make(digest, use)
                except OSError as error:
                    if error.errno not in _NOT_OURS:
                        raise
                    trouble = (
                        f"cannot keep store paths from the garbage collector, which may delete what runs: "
                        f"{use.store.state}/{_PLACE}: {(error.strerror or str(error)).lower()}"
                    )
                gone = _find_gone(use.store, use.paths)
        if trouble != self._troubles.get(use.store.state, ""):
            self._troubles[use.store.state] = trouble
            self._tell("; ".join(filter(None, self._troubles.values())))
        if gone:
            more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
            raise DiskFailed(f"{gone[0]}{more}: not valid in the store any more")

    def sweep(self, find_kept: Callable[[], Collection[str]], in_use: Collection[str]) -> None:
        """Give up the roots of all bundles but those in use and those that ``find_kept`` finds, which is asked only if
        there are others. Raises OSError."""
        records = self._list()
        folders = {folder for digest in records if (folder := self._find_folder(digest)) is not None}
        # A place has a record before it is made; one without is of a state directory that was lost, or cut short.
        unrecorded = [(folder, digest) for folder in folders for digest in _list(folder) if digest not in records]
        if all(digest in in_use for digest in (*records, *(digest for _, digest in unrecorded))):
            return
        kept = {*in_use, *find_kept()}
        for digest in records:
            if digest not in kept:
                self._give_up(digest)
        for folder, digest in unrecorded:
            if digest not in kept:
                _remove(f"{folder}/{digest}")

    def _find_folder(self, digest: str) -> str | None:
        """The folder of this agent's roots in the store that those of a bundle are in."""
        folder = os.path.dirname(_read_link(f"{self._folder}/{digest}") or "")
        return folder if folder.endswith(f"/{_PLACE}/{self._owner}") else None

    def _place(self, digest: str, use: StoreUse) -> str:
        return f"{use.store.state}/{_PLACE}/{self._owner}/{digest}"

    def _stand(self, digest: str, use: StoreUse) -> bool:
        """Whether the roots are as they should be."""
        place = self._place(digest, use)
        if _read_link(f"{self._folder}/{digest}") != place:
            return False
        return all(_read_link(f"{place}/{number}") == path for number, path in enumerate(use.paths))

    def _make(self, digest: str, use: StoreUse) -> None:
        """Raises OSError."""
        place = self._place(digest, use)
        record = f"{self._folder}/{digest}"
        make_folders(self._folder, 0o700)
        before = _read_link(record)
        if before is None:
            _link(place, record)
        os.makedirs(place, exist_ok=True)
        _write_owner(place, record)
        for number, path in enumerate(use.paths):
            _link(path, f"{place}/{number}")
        if before not in (None, place):  # the state directory was moved, or copied, or the store is another
            self._remove_if_given_up(before, digest)
            _link(place, record)

    def _give_up(self, digest: str) -> None:
        """The roots first: what is left after a cut is only a link that leads nowhere, and goes the next time."""
        record = f"{self._folder}/{digest}"
        self._remove_if_given_up(_read_link(record), digest)
        os.unlink(record)

    def _remove_if_given_up(self, place: str | None, digest: str) -> None:
        """Remove what a record names, which is to go or to be another: a folder of roots of this bundle, of this agent
        or of where its state directory was before; not where that is a copy and the first one still has its record."""
        match = _FORM.fullmatch(place or "")
        if place is None or match is None or match["digest"] != digest:
            return
        if match["owner"] != self._owner:
            owner = _read_owner(place)
            if owner is None or (_read_link(owner) == place and not _is_same(owner, f"{self._folder}/{digest}")):
                return
        _remove(place)

    def _list(self) -> list[str]:
        return _list(self._folder)


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _link(target: str, path: str) -> None:
    """Make a link what it should be. Raises OSError."""
    before = _read_link(path)
    if before == target:
        return
    with suppress(FileNotFoundError):
        os.unlink(path)
    os.symlink(target, path)


def _remove(place: str) -> None:
    """Raises OSError, unless the store is another's."""
    try:
        remove_tree(place)
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise


def _write_owner(place: str, record: str) -> None:
    """Note beside roots where the record of them is. In a file, since a link would be a root itself. Raises OSError."""
    path = f"{place}/{_OWNER}"
    if not os.path.exists(path):
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(record)


def _read_owner(place: str) -> str | None:
    """The record of roots, as it was noted."""
    try:
        with open(f"{place}/{_OWNER}", encoding="utf-8", errors="surrogateescape") as file:
            return file.read() or None
    except OSError:
        return None


def _is_same(path: str, other: str) -> bool:
    """Whether two paths lead to one link: its folder may have another name by now."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except OSError:
        return False


@contextmanager
def _hold_off_collector(store: Store, paths: Sequence[str]) -> Iterator[None]:
    """While the block runs no collection begins; one at work has taken note of the paths. Without rights to the lock
    nothing is held off, as for any user of the store. Raises DiskFailed."""
    try:
        lock = os.open(f"{store.state}/gc.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            _tell_collector(store, paths)
        yield
    finally:
        os.close(lock)


def _tell_collector(store: Store, paths: Sequence[str]) -> None:
    """Have a collector at work keep these paths: a line for each, and it answers each with a ``1``. Raises
    DiskFailed."""
    until = time.monotonic() + COLLECTOR_PATIENCE
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as collector:
            collector.settimeout(COLLECTOR_PATIENCE)
            collector.connect(f"{store.state}/gc-socket/socket")
            for path in paths:
                left = until - time.monotonic()
                if left <= 0:
                    raise OSError(errno.ETIMEDOUT, "timed out")
                collector.settimeout(left)
                collector.sendall(f"{path}\n".encode())
                if collector.recv(1) != b"1":
                    raise OSError(errno.EPROTO, "it did not take note")
    except OSError as error:
        why = error.strerror or str(error) or "no answer"
        raise DiskFailed(
            f"garbage of the store {store.real} is being collected, and the collector cannot be told: {why.lower()}"
        ) from error


def _find_gone(store: Store, paths: Sequence[str]) -> tuple[str, ...]:
    """Those of the store paths that are not there, or not valid as far as can be told."""
    gone = tuple(path for path in paths if not os.path.lexists(store.find_real(path)))
    if gone:
        return gone
    from orchestrator.system.storedb import DatabaseUnreadable, find_invalid  # loads a library that most never need

    try:
        return find_invalid(store, paths)
    except DatabaseUnreadable:
        return ()


def _read_link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
