"""The texts of listening sockets: addresses and names. Text in, value or `Fault` out. Floor: core."""

import ipaddress
import re

from orchestrator.core.suggest import quote
from orchestrator.core.values import parse_absolute_path
from orchestrator.model.problem import Fault
from orchestrator.model.types import SocketAddress, SocketName

LONGEST_PATH = 107
"""Bytes of the path of a socket, without the NUL at its end: sockaddr_un, unix(7)."""

ALL = "*"
"""The host that stands for all addresses, of both versions of IP."""

EXAMPLES = 'write "127.0.0.1:80", "[::1]:80", "80" for all addresses, or a path'

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_ADDRESS = re.compile(r"(?:(?P<host>\[[^\]]*\]|[^:]*):)?(?P<port>[0-9]{1,5})")


def parse_socket_address(text: str) -> SocketAddress | Fault:
    """``"127.0.0.1:80"``, ``"[::1]:80"``, ``"80"``, ``"*:80"`` or an absolute path."""
    if text.startswith("/"):
        return _parse_path(text)
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return Fault((), f"{quote(text)} is not the address of a socket", EXAMPLES)
    port = int(match["port"])
    if not 1 <= port <= 65535:
        return Fault((), f"the port {match['port']} is not between 1 and 65535", EXAMPLES)
    host = _parse_host(match["host"] or ALL)
    return host if isinstance(host, Fault) else SocketAddress(f"{host}:{port}")


def _parse_path(text: str) -> SocketAddress | Fault:
    path = parse_absolute_path(text)
    if isinstance(path, Fault):
        return path
    length = len(path.encode())
    if length > LONGEST_PATH:
        hint = "write a shorter one, in /run"
        return Fault((), f"the path has {length} bytes, {LONGEST_PATH} are the most for a socket", hint)
    return SocketAddress(path)


def _parse_host(host: str) -> str | Fault:
    if host == ALL:
        return ALL
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        hint = "names are not looked up: write the address, in brackets if it has colons"
        return Fault((), f"{quote(host)} is not an IP address", hint)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    # bind(2) takes no such address where a socket is of version 6 only.
    return str(address.ipv4_mapped) if address.ipv4_mapped else f"[{address}]"


def parse_socket_name(text: str) -> SocketName | Fault:
    """The name of a socket."""
    if _NAME.fullmatch(text):
        return SocketName(text)
    hint = "write letters, digits, '_', and after the first '.' and '-' too, 64 at most"
    return Fault((), f"{quote(text)} is not the name of a socket", hint)
