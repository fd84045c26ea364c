"""The listening sockets that the agent holds for containers: `ports.Listeners`, for real.

Making one is left to `orchestrator.system.listen`. What keeps them over the end of an agent is a `Keeper`: systemd's
file descriptor store, or `orchestrator.system.holding` where there is none. Floor: system.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from orchestrator.core.canonical import digest_of
from orchestrator.model.sockets import ListenSpec
from orchestrator.ports import ListenFailed, OutsideError
from orchestrator.system.listen import adjust_socket, is_usable, listen, listen_beside, path_of, remove_socket

PREFIX = "listen/"
"""What the names begin with that sockets are kept under: ``listen/CONTAINER/DIGEST``."""

_DIGEST = 16
"""Characters of the digest of what makes a socket the one that it is."""


class Keeper(Protocol):
    """What outlives the agent, and keeps descriptors for the next one."""

    def keep(self, name: str, descriptor: int) -> None:
        """Keep it under ``name``, which is no other's. Raises OutsideError."""
        ...

    def give_up(self, name: str) -> None:
        """Let it go. Never raises."""
        ...

    def take_all(self, prefix: str) -> dict[str, int]:
        """Those that an earlier agent has left whose names begin so; they are the caller's, and kept on."""
        ...


class HostListeners:
    """Implements `orchestrator.ports.Listeners` on this host."""

    def __init__(self, keeper: Keeper, others: Sequence[Keeper] = ()) -> None:
        """keeper: what keeps them from now on. others: what may have kept them until now."""
        self._keeper = keeper
        self._held: dict[str, int] = keeper.take_all(PREFIX)
        for other in others:
            self._take_over(other)

    def open(self, container: str, sockets: Sequence[ListenSpec]) -> tuple[int, ...]:
        """See `orchestrator.ports.Listeners`. What an application has shut down (shutdown(2)), and a path that somebody
        has removed, is made anew."""
        for spec in sockets:
            name = name_kept(container, spec)
            if name in self._held and not is_usable(self._held[name], spec):
                self._close(name)
        missing = [spec for spec in sockets if name_kept(container, spec) not in self._held]
        opened: list[str] = []
        try:
            # Last where another socket gives way to it, so that it does not do so in vain.
            for spec in sorted(missing, key=lambda spec: self._owns_path(container, spec)):
                name = name_kept(container, spec)
                self._hold(name, container, spec)
                opened.append(name)
            for spec in sockets:
                adjust_socket(self._held[name_kept(container, spec)], spec)
        except ListenFailed:
            for name in opened:
                self._close(name)
            raise
        return tuple(self._held[name_kept(container, spec)] for spec in sockets)

    def keep_only(self, wanted: Mapping[str, Collection[ListenSpec] | None] | None) -> None:
        """See `orchestrator.ports.Listeners`. The path of a socket of unix(7) goes with it."""
        if wanted is None:
            return
        names = {name_kept(container, spec) for container, specs in wanted.items() for spec in specs or ()}
        for name in self._held.keys() - names:
            if wanted.get(_container_of(name), ()) is not None:
                self._close(name)

    def _take_over(self, other: Keeper) -> None:
        for name, descriptor in other.take_all(PREFIX).items():
            if name in self._held:
                os.close(descriptor)
            else:
                self._held[name] = descriptor
                try:
                    self._keeper.keep(name, descriptor)
                except OutsideError:
                    continue  # it stays where it is; a next agent finds it there
            other.give_up(name)

    def _hold(self, name: str, container: str, spec: ListenSpec) -> None:
        own = [held for other, held in self._held.items() if _container_of(other) == container]
        if self._owns_path(container, spec):
            remove_socket(spec.address)
        descriptor = listen_beside(spec, own) if own and not spec.is_path else listen(spec)
        try:
            self._keeper.keep(name, descriptor)
        except OutsideError as error:
            self._discard(descriptor)
            raise ListenFailed(f"cannot keep the socket {spec.address}: {error}") from error
        self._held[name] = descriptor

    def _owns_path(self, container: str, spec: ListenSpec) -> bool:
        """Whether its path is that of a socket of another kind that the container has."""
        own = (held for name, held in self._held.items() if _container_of(name) == container)
        return spec.is_path and any(path_of(held) == spec.address for held in own)

    def _close(self, name: str) -> None:
        descriptor = self._held.pop(name)
        self._keeper.give_up(name)
        self._discard(descriptor)

    def _discard(self, descriptor: int) -> None:
        path = path_of(descriptor)
        os.close(descriptor)
        if path is not None and all(path_of(held) != path for held in self._held.values()):
            remove_socket(path)


def name_kept(container: str, spec: ListenSpec) -> str:
    """What a socket is kept under: one at another place has another name."""
    return f"{PREFIX}{container}/{digest_of(spec.place)[:_DIGEST]}"


def _container_of(name: str) -> str:
    return name.split("/")[1]
