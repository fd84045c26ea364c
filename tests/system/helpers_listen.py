"""Listening sockets for tests: what a definition would ask for, and who connects."""

import os
import socket
from typing import Any

from orchestrator.model.sockets import ListenSpec, SocketKind
from orchestrator.ports import OutsideError

STREAM, DATAGRAM = SocketKind.STREAM, SocketKind.DATAGRAM


def spec(address: str, **fields: Any) -> ListenSpec:  # noqa: ANN401 - as ListenSpec has them
    usual: dict[str, Any] = {"name": "web", "kind": STREAM, "mode": 0o666, "uid": os.geteuid(), "gid": os.getegid()}
    return ListenSpec(**{**usual, "backlog": 16, "reuse_port": False, "address": address, **fields})


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET6, kind) as probe:
        probe.bind(("::", 0))
        port: int = probe.getsockname()[1]
        return port


def inode_of(descriptor: int) -> int:
    """What tells a socket from all others, whatever its number is."""
    return os.fstat(descriptor).st_ino


def count_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def connect(address: str | tuple[str, int]) -> socket.socket:
    """A connection; raises OSError."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    connection = socket.socket(family)
    connection.settimeout(10)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def answer(descriptor: int, text: bytes) -> None:
    """Accept a connection at a held socket, as an application would, and send this."""
    with socket.socket(fileno=os.dup(descriptor)) as listener:
        listener.settimeout(10)
        connection, _ = listener.accept()
        with connection:
            connection.sendall(text)


class MadeUpKeeper:
    """What outlives the agent, as a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}
        self.broken = False

    def keep(self, name: str, descriptor: int) -> None:
        if self.broken:
            raise OutsideError("there is no room")
        self.kept[name] = os.dup(descriptor)

    def give_up(self, name: str) -> None:
        os.close(self.kept.pop(name))

    def take_all(self, prefix: str) -> dict[str, int]:
        return {name: os.dup(held) for name, held in self.kept.items() if name.startswith(prefix)}
