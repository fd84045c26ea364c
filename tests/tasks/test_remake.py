"""What somebody has removed is made again, whatever cannot be made again of it yet."""

from collections.abc import Callable

from orchestrator.ports import DiskFailed
from orchestrator.tasks.remake import Remaking


class Place:
    """A lock, a socket and files that may be gone, and what cannot be done for now."""

    def __init__(self) -> None:
        self.there = self.bound = True
        self.failing: set[str] = set()
        self.did: list[str] = []
        self.remaking = Remaking(
            locks=[self],
            control=self,
            is_there=lambda: self.there,
            make_folders=self.doing("folders"),
            write_again=[self.doing(name) for name in ("agent", "names", "holds", "history")],
            say=lambda line: None,
            what="/run/x or /state/x",
        )

    def doing(self, what: str) -> Callable[[], None]:
        def do() -> None:
            if what in self.failing:
                raise DiskFailed(f"cannot write {what}")
            self.did.append(what)

        return do

    def is_held(self) -> bool:
        return self.there

    def take_again(self) -> None:
        self.doing("lock")()
        self.there = True

    def is_bound(self) -> bool:
        return self.bound

    def bind_again(self) -> None:
        self.doing("socket")()
        self.bound = True

    def lose(self) -> None:
        self.there = self.bound = False

    def look(self) -> tuple[str, list[str]]:
        """Why not all could be made again, and what was."""
        self.did.clear()
        return self.remaking.make_removed_again(), self.did


def test_where_nothing_is_gone_nothing_is_done() -> None:
    assert Place().look() == ("", [])


def test_what_cannot_be_written_again_hinders_nothing_else_and_is_owed() -> None:
    place = Place()
    place.lose()
    place.failing = {"agent", "holds"}
    assert place.look() == ("cannot write agent; cannot write holds", ["folders", "lock", "names", "history", "socket"])
    place.failing = {"holds"}
    assert place.look() == ("cannot write holds", ["agent"])
    place.failing = set()
    assert place.look() == ("", ["holds"])
    assert place.look() == ("", [])


def test_without_its_lock_nothing_is_written() -> None:
    place = Place()
    place.lose()
    place.failing = {"lock"}
    assert place.look() == ("cannot write lock", ["folders"])
    place.failing = set()
    assert place.look() == ("", ["folders", "lock", "agent", "names", "holds", "history", "socket"])
