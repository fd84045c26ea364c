"""What history, diff and rollback have in common: the generations of a state directory, read without an agent.

Floor: cli.
"""

from collections.abc import Collection
from contextlib import suppress

import click
from attrs import field, frozen

from orchestrator.cli.errors import warn
from orchestrator.core.history import list_heads
from orchestrator.model.generation import Head, Listed
from orchestrator.model.layout import Layout
from orchestrator.model.source import Source
from orchestrator.ports import Damaged, OutsideError
from orchestrator.system.generations import HostGenerations

NUMBER = click.IntRange(min=1)
"""The type of a generation's number on the command line."""


class NoGeneration(OutsideError):
    """There is no generation, or none of that number."""


@frozen
class Shelf:
    """The generations of a state directory as they are now."""

    store: HostGenerations = field(repr=False)
    numbers: tuple[int, ...]
    pinned: int | None

    @property
    def live(self) -> int:
        """The one that is followed: the pinned one, or the newest."""
        return self.numbers[-1] if self.pinned is None else self.pinned

    def check(self, number: int) -> int:
        """The same number. Raises NoGeneration where there is no such generation."""
        from orchestrator.core.generations import choose_generation

        chosen = choose_generation(number, self.numbers, self.pinned)
        if isinstance(chosen, str):
            raise NoGeneration(chosen)
        return chosen

    def read_sources(self, number: int, names: Collection[str] | None = None) -> list[Source]:
        """The definitions of a generation: of all names, or of these as far as it has them and they can be read.

        Raises Damaged, DiskFailed."""
        from orchestrator.core.generations import make_source

        definitions = self.store.read(number).definitions
        if names is None:
            return [make_source(each, self.store.read_text(each.digest), number) for each in definitions.values()]
        sources = []
        for each in definitions.values():
            if each.name in names:
                with suppress(Damaged):
                    sources.append(make_source(each, self.store.read_text(each.digest), each.since))
        return sources

    def list_all(self) -> tuple[Listed, ...]:
        """All of them, the oldest first. What is damaged is left out, and told of."""
        heads: list[Head] = []
        for number in self.numbers:
            try:
                heads.append(self.store.read_head(number))
            except Damaged as error:
                warn(f"generation {number} left out: {error}")
        return list_heads(heads, self.pinned)


def find_shelf(layout: Layout) -> Shelf | None:
    """The generations of a state directory, or None where there is none. Raises Damaged, DiskFailed."""
    store = HostGenerations(layout)
    numbers = store.list_numbers()
    if not numbers:
        return None
    pin = store.read_pin()
    return Shelf(store, numbers, pin.number if pin is not None else None)


def open_shelf(layout: Layout) -> Shelf:
    """As `find_shelf`. Raises NoGeneration where there is none."""
    shelf = find_shelf(layout)
    if shelf is None:
        raise NoGeneration(f"there is no generation ({layout.generations}): has an agent ever run?")
    return shelf
