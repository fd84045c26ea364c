"""A nix that builds what a test says, when it says so. Floor: testing."""

from collections.abc import Callable, Sequence

import trio
from attrs import evolve

from orchestrator.model.facts import StampQuestion
from orchestrator.model.place import KeyPath, Place
from orchestrator.model.problem import Problem
from orchestrator.model.source import Built, NixPlace, Source
from orchestrator.ports.nix import NixResult


class FakeNix:
    """Implements `orchestrator.ports.NixBuilder`. The text of an expression is what it is built to, unless it begins
    with ``error``, which is then why it is not."""

    def __init__(self) -> None:
        self.built: list[str] = []
        """The names that builds were begun for, in order."""
        self.cancelled: list[str] = []
        self.forgotten: list[str] = []
        self.places_asked: list[tuple[KeyPath, ...]] = []
        self.may_end = trio.Event()
        """Builds wait for it; set from the beginning."""
        self.may_end.set()
        self.imports: tuple[str, ...] = ()
        """What every expression imports."""
        self.began = 0
        """When builds begin, in nanoseconds since the epoch."""

    async def build(self, source: Source, tell: Callable[[str], None]) -> NixResult:
        """See `orchestrator.ports.NixBuilder`."""
        self.built.append(source.name)
        tell("nix evaluates it")
        try:
            await self.may_end.wait()
        except trio.Cancelled:
            self.cancelled.append(source.name)
            raise
        inputs = tuple(StampQuestion(path) for path in (source.file, *self.imports))
        text = source.text or ""
        if text.startswith("error"):
            return NixResult(None, Problem(source.file, 2, 3, "", text), inputs, self.began)
        return NixResult(Built(f"/nix/store/{'0' * 32}-{source.name}.json", text), None, inputs, self.began)

    async def find_places(self, source: Source, keys: Sequence[KeyPath]) -> Built:
        """See `orchestrator.ports.NixBuilder`. Each key stands in a line of its own."""
        assert source.built is not None, "it was built"
        self.places_asked.append(tuple(keys))
        await trio.lowlevel.checkpoint()
        places = {key: NixPlace(source.file, Place(10 + number, 1)) for number, key in enumerate(keys)}
        return evolve(source.built, places=places)

    def forget(self, name: str) -> None:
        """See `orchestrator.ports.NixBuilder`."""
        self.forgotten.append(name)
