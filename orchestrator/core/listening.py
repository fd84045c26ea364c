"""The texts of listening sockets: addresses, names and modes. Text in, value or `Fault` out. Floor: core."""

import ipaddress
import re

from orchestrator.core.suggest import quote
from orchestrator.core.values import parse_absolute_path
from orchestrator.model.problem import Fault
from orchestrator.model.types import FileMode, SocketAddress, SocketName

LONGEST_PATH = 107
"""Bytes of the path of a socket, without the NUL at its end: sockaddr_un, unix(7)."""

ALL = "*"
"""The host that stands for all addresses, of both versions of IP."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_MODE = re.compile(r"(?:0o)?([0-7]{3,4})")
_ADDRESS = re.compile(r"(?:(?P<host>\[[^\]]*\]|[^:]*):)?(?P<port>[0-9]{1,5})")


def parse_socket_address(text: str) -> SocketAddress | Fault:
    """``"127.0.0.1:80"``, ``"[::1]:80"``, ``"80"``, ``"*:80"`` or an absolute path."""
    if text.startswith("/"):
        path = parse_absolute_path(text)
        if isinstance(path, Fault):
            return path
        if len(path.encode()) > LONGEST_PATH:
            return Fault((), f"the path has {len(path.encode())} bytes, {LONGEST_PATH} are the most for a socket")
        return SocketAddress(path)
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        hint = 'write "127.0.0.1:80", "[::1]:80", "80" for all addresses, or a path'
        return Fault((), f"{quote(text)} is not the address of a socket", hint)
    host = match["host"] or ALL
    if host == "localhost":
        host = "127.0.0.1"
    if host != ALL:
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            hint = "names are not looked up: write the address, in brackets if it has colons"
            return Fault((), f"{quote(host)} is not an IP address", hint)
        host = f"[{address}]" if address.version == 6 else str(address)
    return SocketAddress(f"{host}:{int(match['port'])}")


def parse_socket_name(text: str) -> SocketName | Fault:
    """The name of a socket."""
    if _NAME.fullmatch(text):
        return SocketName(text)
    return Fault((), f"{quote(text)} is not the name of a socket", "letters, digits, '.', '_' and '-', 64 at most")


def parse_file_mode(text: str) -> FileMode | Fault:
    """``"0660"``: permission bits in octal digits."""
    match = _MODE.fullmatch(text)
    if match is None or int(match[1], 8) > 0o777:
        return Fault((), f"{quote(text)} is not a mode: octal digits, 0777 at most", 'write "0660"')
    return FileMode(int(match[1], 8))
