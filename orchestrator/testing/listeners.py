"""Listening sockets that are none, for the tests of tasks. Floor: testing."""

from collections.abc import Collection, Mapping, Sequence

from orchestrator.model.sockets import ListenSpec
from orchestrator.ports import ListenFailed


class FakeListeners:
    """`orchestrator.ports.Listeners` in memory. ``held`` are those that are held, with the numbers that stand for their
    descriptors; ``taken`` are addresses at which somebody else listens. ``calls`` are those that were opened and closed
    in their order: ``("open", container, address)``."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, ListenSpec], int] = {}
        self.taken: set[str] = set()
        self.calls: list[tuple[str, str, str]] = []
        self._numbers = iter(range(100, 1_000_000))

    def open(self, container: str, sockets: Sequence[ListenSpec]) -> tuple[int, ...]:
        """See `orchestrator.ports.Listeners`."""
        before = {(name, spec.place): number for (name, spec), number in self.held.items()}
        for spec in sockets:
            if (container, spec.place) not in before and self._is_taken(container, spec):
                raise ListenFailed(f"cannot listen at {spec.address}: Address already in use")
        for spec in sockets:
            if (container, spec.place) not in before:
                before[container, spec.place] = next(self._numbers)
                self.calls.append(("open", container, spec.address))
        opened = {spec.place for spec in sockets}
        others = {each: at for each, at in self.held.items() if each[0] != container or each[1].place not in opened}
        self.held = {**others, **{(container, spec): before[container, spec.place] for spec in sockets}}
        return tuple(before[container, spec.place] for spec in sockets)

    def keep_only(self, wanted: Mapping[str, Collection[ListenSpec] | None] | None) -> None:
        """See `orchestrator.ports.Listeners`."""
        if wanted is None:
            return
        places = {(name, spec.place) for name, specs in wanted.items() for spec in specs or ()}
        for name, spec in list(self.held):
            if wanted.get(name, ()) is not None and (name, spec.place) not in places:
                del self.held[name, spec]
                self.calls.append(("close", name, spec.address))

    def _is_taken(self, container: str, spec: ListenSpec) -> bool:
        others = (each for name, each in self.held if name != container)
        beside = any(
            (each.kind, each.address) == (spec.kind, spec.address) and not (each.reuse_port and spec.reuse_port)
            for each in others
        )
        return beside or spec.address in self.taken
