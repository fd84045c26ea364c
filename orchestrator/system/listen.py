"""Making a listening socket as a definition has it: socket(7), ip(7), ipv6(7), unix(7). Floor: system."""

import contextlib
import errno
import os
import select
import socket
import stat
from collections.abc import Iterator, Sequence

from orchestrator.model.sockets import ListenSpec, SocketKind
from orchestrator.ports import ListenFailed

_IPV6_HERE = "/proc/net/if_inet6"
"""There is such a file where the kernel has IPv6."""

_Address = str | tuple[str, int] | tuple[str, int, int, int]


def listen(spec: ListenSpec) -> int:
    """A socket that is bound, and listens if it is a stream's; the caller closes it. Raises ListenFailed."""
    try:
        return _make(spec, reuse_port=spec.reuse_port)
    except OSError as error:
        raise _explain(spec, error) from error


def listen_beside(spec: ListenSpec, own: Sequence[int]) -> int:
    """As `listen`, also where one of these, of the same container, listens at an address that overlaps: it is to be
    there before that is closed (from 127.0.0.1:80 to all addresses of the port). Raises ListenFailed.

    The kernel lets two of one user listen so if both ask for it. They do only meanwhile.
    """
    try:
        return _make(spec, reuse_port=spec.reuse_port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise _explain(spec, error) from error
    try:
        with _sharing(own):
            descriptor = _make(spec, reuse_port=True)
            _set_reuse_port(descriptor, on=spec.reuse_port)
            return descriptor
    except OSError as error:
        raise _explain(spec, error) from error


def is_usable(descriptor: int, spec: ListenSpec) -> bool:
    """Whether there can still be connections at it: no application has shut it down, and nobody has taken its path
    away."""
    poll = select.poll()
    poll.register(descriptor, 0)
    if any(found & select.POLLHUP for _, found in poll.poll(0)):
        return False
    return not spec.is_path or _is_socket(spec.address)


def adjust_socket(descriptor: int, spec: ListenSpec) -> None:
    """Make of a socket that is held what can be another of it while it is. Raises ListenFailed."""
    try:
        with _borrow(descriptor) as held:
            if spec.kind is SocketKind.STREAM:
                held.listen(spec.backlog)
        if spec.is_path:
            _give_path(spec)
        if spec.nonblocking:
            os.set_blocking(descriptor, False)
    except OSError as error:
        raise _explain(spec, error) from error


def path_of(descriptor: int) -> str | None:
    """The path of a socket of unix(7); None of another."""
    with _borrow(descriptor) as held:
        name = held.getsockname() if held.family == socket.AF_UNIX else None
    return name if isinstance(name, str) and name.startswith("/") else None


def remove_socket(path: str) -> None:
    """Remove the path of a socket; anything else that stands there is left, and what cannot be removed too."""
    with contextlib.suppress(OSError):
        if _is_socket(path):
            os.unlink(path)


@contextlib.contextmanager
def _borrow(descriptor: int) -> Iterator[socket.socket]:
    """As a socket, which stays open: without another descriptor, since there may be none left."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        yield borrowed
    finally:
        borrowed.detach()


def _make(spec: ListenSpec, *, reuse_port: bool) -> int:
    """Raises OSError."""
    family, address = _find_address(spec)
    kind = socket.SOCK_DGRAM if spec.kind is SocketKind.DATAGRAM else socket.SOCK_STREAM
    with socket.socket(family, kind) as made:
        if spec.is_path:
            _bind_path(made, spec)
        else:
            _bind_port(made, spec, address, reuse_port=reuse_port)
        if spec.kind is SocketKind.STREAM:
            made.listen(spec.backlog)
        return made.detach()


def _bind_path(made: socket.socket, spec: ListenSpec) -> None:
    path = spec.address
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    if _is_socket(path) and not _is_listened_at(path, made.type):
        os.unlink(path)  # what an agent that was killed has left, or anybody else
    # Nobody connects before it belongs to whom it is to belong to: the mode of the path is that of the socket. The
    # umask would be that of other threads too.
    os.fchmod(made.fileno(), 0)
    made.bind(path)
    try:
        _give_path(spec)
    except OSError:
        remove_socket(path)
        raise


def _give_path(spec: ListenSpec) -> None:
    """Give the path of a socket to whom it is to belong. Raises OSError.

    By a descriptor of just that: in a folder that is another's a link could take its place meanwhile.
    """
    descriptor = os.open(spec.address, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISSOCK(found.st_mode):
            raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK))
        itself = f"/proc/self/fd/{descriptor}"
        if (found.st_uid, found.st_gid) != (spec.uid, spec.gid):
            os.chown(itself, spec.uid, spec.gid)
        if stat.S_IMODE(found.st_mode) != spec.mode:
            os.chmod(itself, spec.mode)
    finally:
        os.close(descriptor)


def _is_listened_at(path: str, kind: int) -> bool:
    """Whether a socket is bound at a path: connect(2) is refused where its process has ended."""
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:  # its queue is full, or it is of another kind
            return True
        return True


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return False


def _bind_port(made: socket.socket, spec: ListenSpec, address: _Address, *, reuse_port: bool) -> None:
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if spec.address.startswith("*") else 1)
    if spec.kind is SocketKind.STREAM:
        # What is left of connections in TIME_WAIT is no reason to refuse a bind.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(address)


def _find_address(spec: ListenSpec) -> tuple[socket.AddressFamily, _Address]:
    """Raises OSError where the interface that an address names is not there."""
    if spec.is_path:
        return socket.AF_UNIX, spec.address
    host, _, port = spec.address.rpartition(":")
    if host == "*":
        both = socket.has_ipv6 and os.path.exists(_IPV6_HERE)
        return (socket.AF_INET6, ("::", int(port))) if both else (socket.AF_INET, ("0.0.0.0", int(port)))
    if host.startswith("["):
        bare, _, scope = host[1:-1].partition("%")
        index = socket.if_nametoindex(scope) if scope else 0
        return socket.AF_INET6, (bare, int(port), 0, index)
    return socket.AF_INET, (host, int(port))


@contextlib.contextmanager
def _sharing(own: Sequence[int]) -> Iterator[None]:
    """Let others of this user bind beside these meanwhile. Raises OSError."""
    ports = [each for each in own if path_of(each) is None]
    before = [_set_reuse_port(each, on=True) for each in ports]
    try:
        yield
    finally:
        for each, was in zip(ports, before, strict=True):
            _set_reuse_port(each, on=was)


def _set_reuse_port(descriptor: int, *, on: bool) -> bool:
    """What it was before."""
    with _borrow(descriptor) as held:
        before = held.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(on))
        return bool(before)


def _explain(spec: ListenSpec, error: OSError) -> ListenFailed:
    hint = ""
    if error.errno == errno.EADDRINUSE:
        free_of_sockets = spec.is_path and not _is_socket(spec.address)
        hint = " (there is something that is no socket)" if free_of_sockets else " (somebody else listens there)"
    elif error.errno == errno.EADDRNOTAVAIL:
        hint = " (no interface has it)"
    elif error.errno == errno.EAFNOSUPPORT:
        hint = " (the kernel has no such addresses)"
    return ListenFailed(f"cannot listen at {spec.address}: {error.strerror or error}{hint}")
