"""The watched directory, and the host that facts are gathered from. Floor: ports."""

from collections.abc import Collection, Iterable
from typing import Protocol

from orchestrator.model.facts import Facts, HostFacts, Question
from orchestrator.model.source import Listing


class Directory(Protocol):
    """The watched directory. Events are hints only; `read` says what is there now."""

    async def read(self) -> Listing:
        """Read all definitions. Never raises for what a user can do to the directory: that is in the listing."""
        ...

    async def wait_changed(self) -> None:
        """Return when something may have changed since `read` was last called, at once if it has already. Hints that
        come together are one. Cancellation-safe."""
        ...

    def watch_also(self, paths: Collection[str], contents: Collection[str] = ()) -> None:
        """Further paths of the host whose appearance is a change too, and files whose content is one, instead of those
        given before."""
        ...

    @property
    def message(self) -> str:
        """Why changes may be seen late or not at all (no watches left, a file system without inotify), or empty."""
        ...


class World(Protocol):
    """What facts are gathered from."""

    @property
    def host(self) -> HostFacts:
        """Learned once, at start."""
        ...

    async def gather(self, questions: Iterable[Question]) -> Facts:
        """Answer all questions. Never raises: a path that cannot be looked at is answered so."""
        ...

    async def wait_news(self) -> None:
        """Wait until what did not answer (`Facts.unanswered`) may answer now. Cancellation-safe."""
        ...
