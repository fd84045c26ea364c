"""The listening sockets that the agent holds for containers: `ports.Listeners`, for real. socket(7), unix(7).

What keeps them over the end of an agent is a `Keeper`: systemd's file descriptor store, or `orchestrator.system.holder`
where there is none. Floor: system.
"""

import errno
import os
import socket
import stat
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from orchestrator.core.canonical import digest_of
from orchestrator.core.encode import to_plain
from orchestrator.model.sockets import ListenSpec, SocketKind
from orchestrator.ports import ListenFailed, OutsideError

PREFIX = "listen/"
"""What the names begin with that sockets are kept under: ``listen/CONTAINER/NAME/DIGEST``."""

_DIGEST = 16
"""Characters of the digest of all that a socket is."""


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

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._held: dict[str, int] = keeper.take_all(PREFIX)

    def open(self, container: str, sockets: Sequence[ListenSpec]) -> tuple[int, ...]:
        """See `orchestrator.ports.Listeners`."""
        opened: list[str] = []
        try:
            for spec in sockets:
                name = name_kept(container, spec)
                if name not in self._held:
                    self._hold(name, spec)
                    opened.append(name)
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
            if wanted.get(name.split("/")[1], ()) is not None:
                self._close(name)

    def _hold(self, name: str, spec: ListenSpec) -> None:
        descriptor = listen(spec)
        try:
            self._keeper.keep(name, descriptor)
        except OutsideError as error:
            os.close(descriptor)
            raise ListenFailed(f"cannot keep the socket {spec.address}: {error}") from error
        self._held[name] = descriptor

    def _close(self, name: str) -> None:
        descriptor = self._held.pop(name)
        self._keeper.give_up(name)
        path = _path_of(descriptor)
        os.close(descriptor)
        if path is not None:
            remove_socket(path)


def name_kept(container: str, spec: ListenSpec) -> str:
    """What a socket is kept under: another socket in any way has another name."""
    return f"{PREFIX}{container}/{spec.name}/{digest_of(to_plain(spec))[:_DIGEST]}"


def listen(spec: ListenSpec) -> int:
    """A socket that is bound, and listens if it is a stream's; the caller closes it. Raises ListenFailed."""
    family, address = _find_address(spec)
    kind = socket.SOCK_DGRAM if spec.kind is SocketKind.DATAGRAM else socket.SOCK_STREAM
    what = f"cannot listen at {spec.address}"
    try:
        with socket.socket(family, kind) as made:
            _bind(made, spec, address)
            if spec.kind is SocketKind.STREAM:
                made.listen(spec.backlog)
            made.setblocking(True)
            return made.detach()
    except OSError as error:
        hint = " (somebody else listens there)" if error.errno == errno.EADDRINUSE else ""
        raise ListenFailed(f"{what}: {error.strerror}{hint}") from error


def _bind(made: socket.socket, spec: ListenSpec, address: str | tuple[str, int]) -> None:
    if isinstance(address, str):
        os.makedirs(os.path.dirname(address), 0o755, exist_ok=True)
        remove_socket(address)  # what an agent that was killed has left: nobody listens there
        # Nobody connects before it belongs to whom it is to belong to.
        before = os.umask(0o777)
        try:
            made.bind(address)
        finally:
            os.umask(before)
        os.chown(address, spec.uid, spec.gid)
        os.chmod(address, spec.mode)
        return
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if spec.address.startswith("*") else 1)
    if spec.kind is SocketKind.STREAM:
        # What is left of connections in TIME_WAIT is no reason to refuse a bind.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if spec.reuse_port:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(address)


def _find_address(spec: ListenSpec) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    if spec.is_path:
        return socket.AF_UNIX, spec.address
    host, _, port = spec.address.rpartition(":")
    if host == "*":
        both = socket.has_ipv6 and os.path.exists("/proc/net/if_inet6")
        return (socket.AF_INET6, ("::", int(port))) if both else (socket.AF_INET, ("0.0.0.0", int(port)))
    if host.startswith("["):
        return socket.AF_INET6, (host[1:-1], int(port))
    return socket.AF_INET, (host, int(port))


def remove_socket(path: str) -> None:
    """Remove the path of a socket; anything else that stands there is left, and what cannot be removed too."""
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    except OSError:
        return


def _path_of(descriptor: int) -> str | None:
    """The path of a socket of unix(7); None of another."""
    with socket.socket(fileno=os.dup(descriptor)) as duplicate:
        name = duplicate.getsockname() if duplicate.family == socket.AF_UNIX else None
    return name if isinstance(name, str) and name.startswith("/") else None
