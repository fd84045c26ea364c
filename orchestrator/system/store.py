"""A Nix store as files: which one the host means, where a link leads into it, and what stands at its paths.

Which paths need which is asked of `orchestrator.system.storedb` and, where that cannot tell, `orchestrator.system.nix`.
Floor: system.
"""

import os
import stat
from collections.abc import Iterable, Mapping

from attrs import evolve

from orchestrator.model.facts import PlaceQuestion
from orchestrator.model.store import (
    NIX_STORE,
    ClosureAnswer,
    EntryKind,
    PackageAnswer,
    Store,
    StoreEntry,
)
from orchestrator.system.links import MAX_LINKS


def find_host_store(environ: Mapping[str, str]) -> Store:
    """The host's store: what NIX_STORE_DIR and NIX_STATE_DIR say, as they do for nix itself (nix.conf(5), "Common
    Environment Variables"), else /nix/store. It need not be there."""
    folder = environ.get("NIX_STORE_DIR", "").rstrip("/") or NIX_STORE.folder
    state = environ.get("NIX_STATE_DIR", "").rstrip("/") or NIX_STORE.state
    return Store(folder, os.path.realpath(folder), state)


def find_place(question: PlaceQuestion) -> str | None:
    """Where in its store a path leads, as the store writes it; None where it leads to none, or to nothing. Blocks;
    raises nothing."""
    # A path without links is looked for in a store without links.
    store = evolve(question.store, real=os.path.realpath(question.store.real))
    try:
        real = _follow(question.path, store) if question.whole else _follow_to_store(question.path, store)
    except (OSError, ValueError):
        return None
    return store.find_written(real)


def look_at_closure(store: Store, paths: Iterable[str], packages: Iterable[str]) -> ClosureAnswer:
    """What stands at the store paths of a closure, which are valid, and what its packages offer. A path that is not on
    disk though the store believes so is told as invalid. Blocks; raises nothing."""
    entries, missing = [], []
    for path in sorted(paths):
        real = store.find_real(path)
        try:
            mode = os.lstat(real).st_mode
            if stat.S_ISLNK(mode):
                entries.append(StoreEntry(path, EntryKind.LINK, os.readlink(real)))
            else:
                entries.append(StoreEntry(path, EntryKind.FOLDER if stat.S_ISDIR(mode) else EntryKind.FILE))
        except OSError:
            missing.append(path)
    if missing:
        return ClosureAnswer(invalid=tuple(missing))
    offers = {
        package: PackageAnswer(
            programs=_list_names(f"{package}/bin", store), certificates=_list_names(f"{package}/etc/ssl/certs", store)
        )
        for package in packages
    }
    return ClosureAnswer(entries=tuple(entries), packages=offers)


def _list_names(path: str, store: Store) -> tuple[str, ...]:
    """The names in a folder of the store, sorted; none where there is no such folder."""
    try:
        return tuple(sorted(os.listdir(_follow(path, store))))
    except OSError:
        return ()


def _follow_to_store(path: str, store: Store) -> str:
    """A path without the links that lead into the store, or from one store path to another; those of its folders too.
    Raises OSError."""
    current = path
    for _ in range(MAX_LINKS):
        folder, name = os.path.split(_to_real(current.rstrip("/"), store))
        if name in ("", ".", ".."):
            return _follow(current, store)
        real = os.path.join(_follow(folder, store), name)
        if not stat.S_ISLNK(os.lstat(real).st_mode):
            return real
        target = os.path.join(os.path.dirname(real), _to_real(os.readlink(real), store))
        beyond = os.path.join(_follow(os.path.dirname(target), store), os.path.basename(target))
        if _store_path(real, store) is not None and _store_path(real, store) == _store_path(beyond, store):
            _follow(beyond, store)  # a link to nothing leads nowhere
            return real
        current = target
    raise OSError("too many links")


def _follow(path: str, store: Store) -> str:
    """A path of the host without any link, as path_resolution(7) has it, but that absolute links of a chroot store are
    followed into it. Raises OSError."""
    current, pending, links = "/", path.split("/")[::-1], 0
    if path.startswith(f"{store.folder}/"):
        pending = _to_real(path, store).split("/")[::-1]
    while pending:
        name = pending.pop()
        if name in ("", "."):
            continue
        if name == "..":
            current = os.path.dirname(current)
            continue
        entry = os.path.join(current, name)
        if not stat.S_ISLNK(os.lstat(entry).st_mode):
            current = entry
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError("too many links")
        target = _to_real(os.readlink(entry), store)
        if target.startswith("/"):
            current = "/"
        pending.extend(target.split("/")[::-1])
    return current


def _to_real(path: str, store: Store) -> str:
    """A path that the store writes, on the host; any other as it is."""
    return store.find_real(path) if path.startswith(f"{store.folder}/") else path


def _store_path(real: str, store: Store) -> str | None:
    written = store.find_written(real)
    return store.cut(written) if written is not None else None
