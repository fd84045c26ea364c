"""The listening sockets that the agent holds for containers. Floor: ports."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from orchestrator.model.sockets import ListenSpec
from orchestrator.ports.errors import OutsideError


class ListenFailed(OutsideError):
    """A socket cannot be bound, or not be kept for a next agent."""


class Listeners(Protocol):
    """Sockets that outlive the instances they are handed to, and the agent: each is held by its container's name and
    by all that it is."""

    def open(self, container: str, sockets: Sequence[ListenSpec]) -> tuple[int, ...]:
        """Hold these from now on, those that are held already as they are; their descriptors, which stay the callee's.
        Raises ListenFailed: then none is held that was not before."""
        ...

    def keep_only(self, wanted: Mapping[str, Collection[ListenSpec] | None] | None) -> None:
        """Close all that are not wanted, by container; of a container with None, and with None of any, it is not known
        which they are, and none is closed. Never raises."""
        ...
