"""Listening sockets: what a definition's are, decided, and what an application is told of them.

Making and holding them is left to `orchestrator.system.listeners`. Floor: core.
"""

from collections.abc import Iterator, Mapping

from attrs import evolve

from orchestrator.core.listening import ALL
from orchestrator.core.suggest import quote
from orchestrator.core.users import Account, find_account
from orchestrator.model.contribution import PATHS, PortClaim
from orchestrator.model.definition import Definition
from orchestrator.model.problem import At, Fault
from orchestrator.model.sockets import ListenSpec, Socket, SocketKind
from orchestrator.model.types import SocketName

LISTEN_VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
"""What tells an application of its sockets: sd_listen_fds(3)."""


MOST_MODE = 0o777
"""Bits of a path's mode that mean something for a socket, unix(7)."""


def check_socket(socket: Socket) -> Iterator[Fault]:
    """What is wrong with the options of a socket being together."""
    if (socket.stream is None) == (socket.datagram is None):
        if socket.stream is None:
            yield Fault((), "it has neither stream nor datagram", 'write stream = "0.0.0.0:80", or datagram')
        else:
            yield Fault(("datagram",), "cannot be given with stream", "write two sockets", At.KEY)
        return
    address = socket.stream or socket.datagram or ""
    if address.startswith("/"):
        if socket.reuse_port:
            yield Fault(("reuse_port",), "is for ports, and this is a path", "take it away", At.KEY)
        if socket.mode > MOST_MODE:
            yield Fault(("mode",), f"a socket has the bits for reading and writing only, {MOST_MODE:04o} at most")
        return
    for key, value, default in (("mode", socket.mode, 0o666), ("owner", socket.owner, "0:0")):
        if value != default:
            yield Fault((key,), "is for a path, and this is a port", "take it away", At.KEY)


def check_sockets(sockets: Mapping[SocketName, Socket]) -> Iterator[Fault]:
    """What is wrong with the sockets of a definition being together: that one address is two's. Where others may listen
    too it may be, since each has a queue of its own then."""
    seen: dict[tuple[SocketKind, str], tuple[str, bool]] = {}
    for name, socket in sockets.items():
        kind, address = _place_of(socket)
        other, shares = seen.setdefault((kind, address), (name, socket.reuse_port))
        if other != name and not (shares and socket.reuse_port):
            at = ("sockets", name, kind.value)
            hint = "take one of them away" if address.startswith("/") else "take one away, or write reuse_port in both"
            yield Fault(at, f"the socket {quote(other)}, further up, has this address", hint)


def _place_of(socket: Socket) -> tuple[SocketKind, str]:
    if socket.stream is not None:
        return SocketKind.STREAM, socket.stream
    return SocketKind.DATAGRAM, socket.datagram or ""


def choose_sockets(
    definition: Definition, passwd: str | None, group: str | None
) -> tuple[tuple[ListenSpec, ...], tuple[Fault, ...]]:
    """The sockets of a definition, by name, and what is wrong with them. passwd, group: those of the host."""
    chosen, faults = [], []
    for name, socket in sorted(definition.sockets.items()):
        account = find_account(socket.owner, passwd, group, "the host")
        if not isinstance(account, Account):
            faults.append(evolve(account, path=("sockets", name, "owner")))
            continue
        kind, address = _place_of(socket)
        chosen.append(
            ListenSpec(
                name=name,
                kind=kind,
                address=address,
                mode=socket.mode,
                uid=account.user.uid,
                gid=account.user.gid,
                backlog=socket.backlog,
                reuse_port=socket.reuse_port,
                nonblocking=socket.nonblocking,
            )
        )
    return tuple(chosen), tuple(faults)


def claim_ports(sockets: tuple[ListenSpec, ...]) -> Iterator[PortClaim]:
    """The ports and paths of the host that sockets take."""
    for each in sockets:
        path = ("sockets", each.name, each.kind.value)
        if each.is_path:
            # One path is one file, whatever is spoken there.
            yield PortClaim(protocol=PATHS, port=0, address=each.address, path=path)
            continue
        host, _, port = each.address.rpartition(":")
        yield PortClaim(
            protocol="udp" if each.kind is SocketKind.DATAGRAM else "tcp",
            port=int(port),
            address="" if host == ALL else host.removeprefix("[").removesuffix("]"),
            path=path,
            shared=each.reuse_port,
            ipv6_only=host != ALL,
        )


def listen_variables(sockets: tuple[ListenSpec, ...]) -> Mapping[str, str]:
    """What an application is told of its sockets, which are its descriptors from 3 on (sd_listen_fds(3)). It is the
    first process of its pid namespace."""
    if not sockets:
        return {}
    said = str(len(sockets)), "1", ":".join(each.name for each in sockets)
    return dict(zip(LISTEN_VARIABLES, said, strict=True))
