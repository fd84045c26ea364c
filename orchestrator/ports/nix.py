"""What builds definitions that are Nix expressions. Floor: ports."""

from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import frozen

from orchestrator.model.facts import PlaceQuestion, StampQuestion
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Problem
from orchestrator.model.source import Built, Source

InputQuestion = StampQuestion | PlaceQuestion
"""What has another answer when a file that a definition is made from is another."""


@frozen
class NixResult:
    """What came of a build: ``built``, or the problem that stands in its way. ``inputs`` is what it was made from, as
    far as it came; ``began`` when, in nanoseconds since the epoch: a file that was written since may not have been
    seen."""

    built: Built | None
    problem: Problem | None
    inputs: tuple[InputQuestion, ...]
    began: int


class NixBuilder(Protocol):
    """The host's nix."""

    async def build(self, source: Source, tell: Callable[[str], None]) -> NixResult:
        """Evaluate and build a definition; takes as long as what it needs takes to be built. tell: is told how far it
        is. Its log is kept. When cancelled, nothing of it goes on. Never raises for what a user wrote."""
        ...

    async def find_places(self, source: Source, keys: Sequence[KeyPath]) -> Built:
        """Where the definition that was built has these keys from."""
        ...

    def forget(self, name: str) -> None:
        """There is no such definition any more: give up what is kept of its builds. Idempotent; raises nothing."""
        ...
