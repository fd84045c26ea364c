"""What a definition names of a Nix store: store paths written out, and paths of the host that may lead to some.

What is named is read off the texts alone; where the paths of the host lead is asked (`PlaceQuestion`), and what follows
for the root file system is `orchestrator.core.closure`'s. Floor: core.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum

import attrs
from attrs import frozen

from orchestrator.core.plugged import find_uses
from orchestrator.core.rootfs import is_below
from orchestrator.model.definition import Definition
from orchestrator.model.facts import PathQuestion, PlaceQuestion
from orchestrator.model.health import ExecHealth
from orchestrator.model.place import KeyPath
from orchestrator.model.registry import Group
from orchestrator.model.rootfs import ClosureRootfs
from orchestrator.model.store import Store
from orchestrator.model.types import AbsolutePath

_HASH_AND_NAME = r"/[0-9abcdfghijklmnpqrsvwxyz]{32}-[0-9A-Za-z+._?=-]+"
"""Of a store path, below the folder: 160 bits in Nix's base 32, and a name."""

_WORD = re.compile(
    r"(?:(?<![^\s\"'`=:,;|&<>({\[])|(?<=file://))/(?!/)[^\s\"'`:,;|&<>(){}\[\]$*\\]*+(?:(?<=/)|(?![({\[$*\\]))"
)
"""A path that is a word by itself, in an argument, a list of paths or a line of a script. Of one that goes on with what
a shell fills in (``/a/b/$C``, ``/a/b/*.so``) it is the folder, where that ends there; ``//host/a`` is none."""

_OWN = ("/proc", "/dev", "/sys")
"""Where every container has something of its own, so that no path below is the host's."""


class Kind(Enum):
    """How a path that is named counts."""

    WORD = "word"
    """Of a command or a variable: it is replaced by where it leads."""
    PACKAGE = "package"
    SOURCE = "source"
    """What is mounted: a path of the host, whose contents may need the store."""


@frozen
class Reference:
    """A path that a definition names at a key. ``store_path`` is set if it is one, or lies below one."""

    key: KeyPath
    path: str
    kind: Kind
    store_path: str | None = None


def is_closure(definition: Definition) -> bool:
    """Whether its root file system is made of store paths."""
    return definition.bundle is None and (definition.rootfs is None or isinstance(definition.rootfs, ClosureRootfs))


def choose_store(definition: Definition, host_store: Store) -> Store:
    """The store that a definition means.

    Of one that it names the layout is as nix has it: a folder called ``store`` has its state in ``../var/nix``, below
    anything else is a chroot store, with the paths that the host's store has.
    """
    written = definition.rootfs.store if isinstance(definition.rootfs, ClosureRootfs) else None
    if written is None:
        return host_store
    parent, name = posixpath.split(written)
    if name == "store":
        return Store(written, written, f"{parent.rstrip('/')}/var/nix")
    root = written.rstrip("/")
    return Store(host_store.folder, f"{root}/nix/store", f"{root}/nix/var/nix", root=written)


def find_references(definition: Definition, store: Store) -> tuple[Reference, ...]:
    """All that a definition names and that may be in the store, in the order of its fields. Where its root file system
    is another, what is mounted and read of the host."""
    found: list[Reference] = []
    for key, text in _texts(definition) if is_closure(definition) else ():
        found += _find_written(key, text, store)
        words = _find_words(text, store, definition)
        found += [Reference(key, word, Kind.WORD) for word in words]
    for index, package in enumerate(definition.packages):
        found.append(_name(("packages", index), package, Kind.PACKAGE, store))
    for index, file in enumerate(definition.env_files):
        found.append(_name(("env_files", index), file.path, Kind.SOURCE, store))
    for used in find_uses("", definition):
        if used.group is Group.MOUNTS:
            questions = (each for each in used.ask() if isinstance(each, PathQuestion))
            found += [_name(used.path, each.path, Kind.SOURCE, store) for each in questions]
    return tuple(found)


def place_questions(definition: Definition, store: Store) -> tuple[PlaceQuestion, ...]:
    """Where do the paths lead that are no store paths yet? Each once."""
    asked = (place_question(each, store) for each in find_references(definition, store) if each.store_path is None)
    return tuple(dict.fromkeys(asked))


def place_question(reference: Reference, store: Store) -> PlaceQuestion:
    """Where does it lead?"""
    return PlaceQuestion(store, reference.path, whole=reference.kind is not Kind.WORD)


def replace_words(definition: Definition, targets: Mapping[str, str]) -> Definition:
    """The definition with the paths of the store in the place of the words that lead there: inside there is no such
    link. targets: by word."""
    if not targets:
        return definition

    def follow(match: re.Match[str]) -> str:
        target = targets.get(_normalise(match[0]))
        if target is None:
            return match[0]
        return f"{target}/" if match[0].endswith("/") else target

    return _change_texts(definition, lambda text: _WORD.sub(follow, text))


def _change_texts(definition: Definition, change: Callable[[str], str]) -> Definition:
    health = definition.health
    return attrs.evolve(
        definition,
        health=attrs.evolve(health, args=tuple(map(change, health.args))) if isinstance(health, ExecHealth) else health,
        args=None if definition.args is None else tuple(map(change, definition.args)),
        cmd=None if definition.cmd is None else change(definition.cmd),
        shell=AbsolutePath(change(definition.shell)),
        cwd=AbsolutePath(change(definition.cwd)),
        env={name: change(value) for name, value in definition.env.items()},
    )


def _texts(definition: Definition) -> Iterator[tuple[KeyPath, str]]:
    """The texts whose paths count, with their keys."""
    for index, text in enumerate(definition.args or ()):
        yield ("args", index), text
    if definition.cmd is not None:
        yield ("cmd",), definition.cmd
        yield ("shell",), definition.shell
    yield ("cwd",), definition.cwd
    for name, text in definition.env.items():
        yield ("env", name), text
    if isinstance(definition.health, ExecHealth):
        for index, text in enumerate(definition.health.args):
            yield ("health", "args", index), text


def _find_written(key: KeyPath, text: str, store: Store) -> Iterable[Reference]:
    """The store paths that are written out in a text, wherever in it."""
    paths = re.findall(re.escape(store.folder) + _HASH_AND_NAME, text)
    return [Reference(key, path, Kind.WORD, path) for path in dict.fromkeys(paths)]


def _find_words(text: str, store: Store, definition: Definition) -> Iterable[str]:
    """The words that are paths of the host, as far as can be told: nothing that the container has of its own there."""
    own = (*_OWN, *definition.mounts, *(("/bin", "/etc/ssl/certs") if definition.packages else ()), store.folder)
    words = dict.fromkeys(_normalise(word) for word in _WORD.findall(text))
    return [word for word in words if word != "/" and not any(is_below(word, path) for path in own)]


def _normalise(word: str) -> str:
    return posixpath.normpath(f"/{word.lstrip('/')}")


def _name(key: KeyPath, path: str, kind: Kind, store: Store) -> Reference:
    """A path that stands alone: written as the store has it, or as the host does, it is one of the store's."""
    written = path if path.startswith(f"{store.folder}/") else store.find_written(path)
    if written is None or not re.fullmatch(re.escape(store.folder) + _HASH_AND_NAME + "(/.*)?", written):
        return Reference(key, path, kind)
    return Reference(key, written, kind, store.cut(written))
