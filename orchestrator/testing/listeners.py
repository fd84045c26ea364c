"""Listening sockets that are none, for the tests of tasks. Floor: testing."""

from collections.abc import Collection, Mapping, Sequence

from orchestrator.model.sockets import ListenSpec
from orchestrator.ports import ListenFailed


class FakeListeners:
    """`orchestrator.ports.Listeners` in memory. ``held`` are those that are held, with the numbers that stand for their
    descriptors; ``taken`` are addresses that somebody else listens at."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, ListenSpec], int] = {}
        self.taken: set[str] = set()
        self._numbers = iter(range(100, 1_000_000))

    def open(self, container: str, sockets: Sequence[ListenSpec]) -> tuple[int, ...]:
        """See `orchestrator.ports.Listeners`."""
        places = {(name, spec.place): number for (name, spec), number in self.held.items()}
        for spec in sockets:
            if spec.address in self.taken and (container, spec.place) not in places:
                raise ListenFailed(f"cannot listen at {spec.address}: Address already in use")
        numbers = tuple(places.get((container, spec.place)) or next(self._numbers) for spec in sockets)
        opened = {spec.place for spec in sockets}
        self.held = {
            key: number for key, number in self.held.items() if key[0] != container or key[1].place not in opened
        }
        self.held |= {(container, spec): number for spec, number in zip(sockets, numbers, strict=True)}
        return numbers

    def keep_only(self, wanted: Mapping[str, Collection[ListenSpec] | None] | None) -> None:
        """See `orchestrator.ports.Listeners`."""
        if wanted is not None:
            unknown = {name for name, specs in wanted.items() if specs is None}
            places = {(name, spec.place) for name, specs in wanted.items() for spec in specs or ()}
            self.held = {
                (name, spec): number
                for (name, spec), number in self.held.items()
                if name in unknown or (name, spec.place) in places
            }
