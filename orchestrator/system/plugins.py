"""The kinds that definitions may use: those that are installed, and those of the files of the plugins folder.
`orchestrator.ports.Plugins`, for real.

A name has one kind: that of the agent itself, else that of an installed package, else that of a file. Floor: system.
"""

import importlib
import re
from collections.abc import Iterable, Iterator

import trio
from attrs import define, evolve

from orchestrator.core.parse import Parser
from orchestrator.core.plugged import NOUNS
from orchestrator.core.suggest import quote
from orchestrator.model.exec_plugin import SUFFIXES as PROGRAMS
from orchestrator.model.pluginfile import PYTHON, PluginFile
from orchestrator.model.problem import Problem
from orchestrator.model.registry import Group, Lazy, Origin, Registry, Unusable
from orchestrator.ports.plugins import Plugged
from orchestrator.system.entrypoints import Installed, Listed, list_installed, load_registry
from orchestrator.system.onefile import CannotLoad, FoundKind, forget_python
from orchestrator.system.patience import KindPatience
from orchestrator.system.pluginfiles import load_file
from orchestrator.system.pluginfolder import read_plugins

_DIGITS = 12
_TYPE = re.compile(rb"""^[ \t]+type\b[^=#\n]*=[ \t]*["']([^"'\n]+)["']""", re.MULTILINE)
"""Where a class says what it is called."""

_Key = tuple[Group, str]


@define
class _Loaded:
    """What a file was loaded to. ``failure``: why it could not be; ``kinds`` are of the text ``good`` then, an earlier
    one."""

    file: PluginFile
    kinds: tuple[FoundKind, ...] = ()
    failure: CannotLoad | None = None
    good: PluginFile | None = None

    @property
    def is_distrusted(self) -> bool:
        """Whether it is a program that must not be run, or cannot be."""
        return self.file.suffix in PROGRAMS and bool(self.file.fault)

    @property
    def origin(self) -> Origin:
        return Origin(place=self.file.path, version=self.file.digest[:_DIGITS])


class HostPlugins:
    """The kinds of one agent, or of one command. For the thread that the loop runs in."""

    def __init__(self, listed: Listed | None = None) -> None:
        """listed: instead of what is installed."""
        self._given = listed
        self._patience = KindPatience()
        self._listed = list_installed() if listed is None else listed
        self._lazy: dict[Installed, Lazy] = {}
        self._loaded: dict[str, _Loaded] = {}
        self._good: dict[_Key, type] = {}
        self._files: tuple[PluginFile, ...] = ()
        self._again = False
        self._plugged = self._put_together()

    @property
    def plugged(self) -> Plugged:
        """What there was at the last `follow`."""
        return self._plugged

    @property
    def notes(self) -> tuple[str, ...]:
        """What is wrong with what is installed, whoever uses it."""
        return self._listed.notes

    @property
    def lasting(self) -> Registry:
        """The kinds that do and undo their part on the host: one that cannot be used any more, since its file has a
        mistake now or is gone, is what it was. But a program is what its file says now: one that somebody else may have
        written is not run for that either."""
        registry = self._plugged.parser.registry
        distrusted = {kind.kind for each in self._loaded.values() if each.is_distrusted for kind in each.kinds}
        for (group, name), kind in self._good.items():
            if kind in distrusted:
                continue
            if name not in registry.lazy.get(group, {}) and name not in registry.kinds.get(group, {}):
                registry = registry.with_kind(group, name, kind)
        return registry

    def look_again(self) -> None:
        """See `orchestrator.ports.Plugins`. What was loaded stays: an upgrade counts from the next start on."""
        importlib.invalidate_caches()
        self._patience.forget()
        fine = {each: lazy for each, lazy in self._lazy.items() if isinstance(lazy.loaded, type)}
        known = {(each.group, each.name, each.value, each.distribution): each for each in fine}
        listed = list_installed() if self._given is None else self._given
        kinds = (known.get((each.group, each.name, each.value, each.distribution), each) for each in listed.kinds)
        self._listed, self._lazy = evolve(listed, kinds=tuple(kinds)), fine
        self._again = True

    async def follow(self, files: Iterable[PluginFile]) -> Plugged:
        """See `orchestrator.ports.Plugins`. Between two files others have their turn: each may take seconds."""
        for _ in self._load_all(tuple(files)):
            await trio.lowlevel.checkpoint()
        return self._plugged

    def load(self, files: Iterable[PluginFile]) -> Plugged:
        """As `follow`, at once."""
        for _ in self._load_all(tuple(files)):
            pass
        return self._plugged

    def _load_all(self, files: tuple[PluginFile, ...]) -> Iterator[None]:
        """Yields after each file."""
        if files == self._files and not self._again:
            return
        folder = next((file for file in files if not file.suffix), None)
        paths = {file.path for file in files}
        for path, known in [*self._loaded.items()]:
            if folder is not None:
                file = PluginFile(path, fault=folder.fault) if known.file.suffix in PROGRAMS else known.file
                self._loaded[path] = evolve(known, file=file, failure=CannotLoad(folder.fault))
            elif path not in paths:
                del self._loaded[path]
                self._forget(known.good)
        for file in files:
            if file.suffix:
                self._loaded[file.path] = self._load(file, self._loaded.get(file.path, _Loaded(file)))
                yield
        self._files, self._again = files, False
        self._plugged = self._put_together(folder)

    def _load(self, file: PluginFile, known: _Loaded) -> _Loaded:
        if known.good == file:
            return _Loaded(file, known.kinds, None, file)
        if known.failure is not None and known.file == file and not self._again:
            return known
        try:
            kinds = load_file(file)
        except CannotLoad as failure:
            return _Loaded(file, known.kinds, failure, known.good)
        self._forget(known.good)
        return _Loaded(file, kinds, None, file)

    def _forget(self, file: PluginFile | None) -> None:
        if file is not None and file.suffix == PYTHON:
            forget_python(file)

    def _put_together(self, folder: PluginFile | None = None) -> Plugged:
        registry = load_registry(self._listed, self._lazy)
        problems = [_make_problem(folder, CannotLoad(folder.fault))] if folder is not None else []
        taken = frozenset(registry.origins)
        found = [(each, kind) for _, each in sorted(self._loaded.items()) for kind in each.kinds]
        failed = [(each.file, each.failure) for each in self._loaded.values() if each.failure is not None]
        problems += [_make_problem(file, failure) for file, failure in failed if folder is None]
        for each, kind in found:
            others = [other for other, its in found if (its.group, its.name) == (kind.group, kind.name)]
            failure = each.failure or _refuse(kind, registry if (kind.group, kind.name) in taken else None, others)
            if failure is None and kind.kind is not None:
                registry = registry.with_kind(kind.group, kind.name, kind.kind, each.origin)
                self._good[kind.group, kind.name] = kind.kind
                continue
            assert failure is not None, "a kind without a class has a misfit"
            if each.failure is None:
                problems.append(_make_problem(each.file, failure))
            if (kind.group, kind.name) not in taken:
                unusable = Unusable(reason=_explain(each.file, failure), origin=each.origin)
                registry = registry.with_unusable(kind.group, kind.name, unusable)
        registry = evolve(self._mark_unloaded(registry), unread=tuple(self._find_unread(folder)))
        return Plugged(Parser(registry, self._patience), tuple(sorted(problems)), dict(_list_versions(registry)))

    def _find_unread(self, folder: PluginFile | None) -> Iterator[str]:
        if folder is not None:
            yield folder.path
        for each in self._loaded.values():
            if folder is None and each.failure is not None and not each.kinds:
                yield each.file.path

    def _mark_unloaded(self, registry: Registry) -> Registry:
        """What a file that cannot be loaded seems to have, in case a definition names that."""
        for each in self._loaded.values():
            if each.failure is None:
                continue
            for group, name in _guess_kinds(each.file):
                if (group, name) not in registry.origins:
                    unusable = Unusable(reason=_explain(each.file, each.failure), origin=each.origin)
                    registry = registry.with_unusable(group, name, unusable)
        return registry


def _guess_kinds(file: PluginFile) -> list[_Key]:
    """What a file that cannot be loaded seems to have. A program is called as its kind."""
    if file.suffix in PROGRAMS:
        return [(PROGRAMS[file.suffix], file.name)]
    names = [match.decode(errors="replace") for match in _TYPE.findall(file.code)]
    return [(group, name) for group in Group for name in names]


def load_plugins(directory: str) -> Plugged:
    """The kinds for the definitions of a directory, now: for a command that looks once."""
    return HostPlugins().load(read_plugins(directory))


def _refuse(kind: FoundKind, registry: Registry | None, others: list[_Loaded]) -> CannotLoad | None:
    """Why a kind of a file does not count. registry: of those that are installed, if the name is one of them."""
    noun = NOUNS[kind.group]
    if kind.misfit:
        return CannotLoad(kind.misfit, kind.line)
    if registry is not None:
        origin = registry.origin_of(kind.group, kind.name)
        message = f"the {noun} kind {quote(kind.name)} is that of {origin} already"
        return CannotLoad(message, kind.line, "give it another type")
    if len(others) > 1:
        whose = " and ".join(each.file.path for each in others)
        return CannotLoad(f"the {noun} kind {quote(kind.name)} is in {whose}", kind.line, "take one of them away")
    return None


def _make_problem(file: PluginFile, failure: CannotLoad) -> Problem:
    return Problem(file.path, failure.line, failure.column, "", failure.message, failure.hint)


def _explain(file: PluginFile, failure: CannotLoad) -> str:
    return f"{file.path}:{failure.line}: {failure.message}"


def _list_versions(registry: Registry) -> Iterator[tuple[str, str]]:
    for (group, name), origin in registry.origins.items():
        version = str(origin) if origin.distribution else f"{origin.place} {origin.version}"
        yield f"{group.value}/{name}", version
