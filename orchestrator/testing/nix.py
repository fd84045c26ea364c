"""A Nix store that exists in memory only, and has what a test says. Floor: testing.

What it holds is by ``HASH-NAME``, so that it is the same store wherever a question says that its folder is.
"""

from collections.abc import Iterable, Mapping

from attrs import frozen

from orchestrator.model.facts import ClosureQuestion
from orchestrator.model.store import ClosureAnswer, EntryKind, PackageAnswer, Store, StoreEntry


@frozen(kw_only=True)
class FakePath:
    """A valid path. ``needs`` are the others that it refers to; a link leads to the one called ``leads_to``, and is a
    folder else unless ``is_file``. ``programs`` and ``certificates`` are what it offers as a package."""

    needs: tuple[str, ...] = ()
    leads_to: str = ""
    is_file: bool = False
    programs: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()


class FakeNixStore:
    """Answers `ClosureQuestion`."""

    def __init__(self, paths: Mapping[str, FakePath] | None = None) -> None:
        """paths: those that are valid, by ``HASH-NAME``."""
        self.paths = dict(paths or {})
        self.trouble = ""
        """Why it cannot be asked."""

    def answer(self, question: ClosureQuestion) -> ClosureAnswer:
        """What these store paths need; nothing where some of them are not valid."""
        if self.trouble:
            return ClosureAnswer(detail=self.trouble)
        store = question.store
        invalid = tuple(path for path in question.paths if _name_in(store, path) not in self.paths)
        if invalid:
            return ClosureAnswer(invalid=invalid)
        names = self._close(_name_in(store, path) for path in question.paths)
        packages = {package: self._offer(_name_in(store, package)) for package in question.packages}
        return ClosureAnswer(tuple(self._entry(store, name) for name in sorted(names)), packages=packages)

    def _close(self, names: Iterable[str]) -> set[str]:
        found, todo = set[str](), list(names)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self.paths[name].needs
        return found

    def _offer(self, name: str) -> PackageAnswer:
        path = self.paths[name]
        if path.leads_to:
            return self._offer(path.leads_to)
        return PackageAnswer(tuple(sorted(path.programs)), tuple(sorted(path.certificates)))

    def _entry(self, store: Store, name: str) -> StoreEntry:
        path = self.paths[name]
        if path.leads_to:
            return StoreEntry(f"{store.folder}/{name}", EntryKind.LINK, f"{store.folder}/{path.leads_to}")
        return StoreEntry(f"{store.folder}/{name}", EntryKind.FILE if path.is_file else EntryKind.FOLDER)


def _name_in(store: Store, path: str) -> str:
    """The ``HASH-NAME`` of a path in the store."""
    return path.removeprefix(f"{store.folder}/").split("/", 1)[0]
