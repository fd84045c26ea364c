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
        for spec in sockets:
            if spec.address in self.taken and (container, spec) not in self.held:
                raise ListenFailed(f"cannot listen at {spec.address}: address already in use")
        for spec in sockets:
            if (container, spec) not in self.held:
                self.held[container, spec] = next(self._numbers)
        return tuple(self.held[container, spec] for spec in sockets)

    def keep_only(self, wanted: Mapping[str, Collection[ListenSpec] | None] | None) -> None:
        """See `orchestrator.ports.Listeners`."""
        if wanted is not None:
            unknown = {name for name, specs in wanted.items() if specs is None}
            self.held = {
                (name, spec): number
                for (name, spec), number in self.held.items()
                if name in unknown or spec in (wanted.get(name) or ())
            }
