"""Listening sockets that the agent holds and hands to a container: as a definition writes them, and decided.

They are handed over as systemd does it: sd_listen_fds(3), systemd.socket(5). Floor: model.
"""

from enum import Enum
from typing import ClassVar

from attrs import frozen

from orchestrator.model.option import Change, option
from orchestrator.model.types import FileMode, SocketAddress, UserName

DEFAULT_BACKLOG = 4096
"""As many as Linux takes by itself (net.core.somaxconn, since 5.4)."""


class SocketKind(Enum):
    """What is spoken on a socket."""

    STREAM = "stream"
    """TCP, or SOCK_STREAM of unix(7)."""
    DATAGRAM = "datagram"
    """UDP, or SOCK_DGRAM of unix(7)."""


@frozen(kw_only=True)
class Socket:
    """A socket of the definition, under the name that the application is told in LISTEN_FDNAMES."""

    shorthand: ClassVar[str] = "stream"
    """The option that a bare value stands for."""

    stream: SocketAddress | None = option(
        default=None,
        doc='Where to listen: `"ADDRESS:PORT"`, `"[ADDRESS]:PORT"`, `"PORT"` for all addresses, or a path for unix(7). '
        "This or `datagram`.",
        change=Change.REPLACE,
        example='"0.0.0.0:80"',
    )
    datagram: SocketAddress | None = option(
        default=None,
        doc="The same for datagrams: UDP, or unix(7).",
        change=Change.REPLACE,
        example='"127.0.0.1:53"',
    )
    mode: FileMode = option(
        default=FileMode(0o666),
        doc="Of a path: who may connect, in octal digits.",
        change=Change.REPLACE,
        example='"0660"',
    )
    owner: UserName = option(
        default=UserName("0:0"),
        doc="Of a path: whose it is, by the names of the host.",
        change=Change.REPLACE,
        example='"www-data"',
    )
    backlog: int = option(
        default=DEFAULT_BACKLOG,
        doc="How many connections may wait to be accepted (listen(2)); the kernel has a limit of its own.",
        change=Change.REPLACE,
        minimum=1,
        maximum=65535,
        example="128",
    )
    reuse_port: bool = option(
        default=False,
        doc="Whether others may listen there too (SO_REUSEPORT, socket(7)).",
        change=Change.REPLACE,
        example="true",
    )
    nonblocking: bool = option(
        default=False,
        doc="Whether it is handed over with O_NONBLOCK (accept(2)): for nginx, which does not set it, and would wait "
        "where several accept from one socket.",
        change=Change.REPLACE,
        example="true",
    )


@frozen(kw_only=True)
class ListenSpec:
    """A socket, decided. ``address`` is a path, or ``HOST:PORT`` with an IP address or ``*`` as the host."""

    name: str
    kind: SocketKind
    address: str
    mode: int
    uid: int
    gid: int
    backlog: int
    reuse_port: bool
    nonblocking: bool = False

    @property
    def is_path(self) -> bool:
        """Whether it is one of unix(7)."""
        return self.address.startswith("/")

    @property
    def place(self) -> tuple[str, ...]:
        """What makes it the socket that it is: all else can be changed while it is held. Where others may listen too,
        two of one container may be at one address."""
        return (self.kind.value, self.address, *((self.name,) if self.reuse_port else ()))
