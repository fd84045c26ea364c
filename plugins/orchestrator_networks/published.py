"""Published ports, as `ports` of a network writes them: ``[ADDRESS:]PORT:PORT[/PROTOCOL]``, each side a port or as many
in a row. The mappings are CNI's, CONVENTIONS.md, ``portMappings``. Floor: plugin.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import frozen

from orchestrator.plugin import Fault, PortClaim

PROTOCOLS = ("tcp", "udp", "sctp")
MOST_PORTS = 1024
"""Ports that a container publishes: each is a rule of the kernel's, that packets are held against."""

_PORTS = re.compile(
    r"(?:(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[^\[\]:/]+)):)?"
    r"(?P<host>[0-9]+(?:-[0-9]+)?):(?P<inside>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>[A-Za-z]+))?"
)
_HINT = 'write "8080:80", "127.0.0.1:5353:53/udp" or "8000-8009:8000-8009"'


@frozen
class Published:
    """A port of the host that leads to one inside."""

    host: int
    inside: int
    protocol: str
    address: str = ""
    """Of the host; empty for all of them."""

    def to_mapping(self) -> dict[str, Any]:
        """As CNI's capability has it."""
        mapping = {"hostPort": self.host, "containerPort": self.inside, "protocol": self.protocol}
        return {**mapping, "hostIP": self.address} if self.address else mapping


@frozen
class ReadPorts:
    """What `ports` asks for, and what is wrong with it."""

    published: tuple[Published, ...]
    claims: tuple[PortClaim, ...]
    faults: tuple[Fault, ...]


def read_ports(texts: Sequence[str], *, only_v4: bool = False) -> ReadPorts:
    """Read the option ``ports``. only_v4: the network has no IPv6."""
    published: list[Published] = []
    claims: list[PortClaim] = []
    faults: list[Fault] = []
    for index, text in enumerate(texts):
        found = _read(text, only_v4=only_v4)
        if isinstance(found, Fault):
            faults.append(found.below("ports", index))
            continue
        published += found
        claims += _claim(found, index)
    if len(published) > MOST_PORTS:
        message = f"{len(published)} ports are more than {MOST_PORTS}"
        faults.append(Fault(("ports",), message, 'write network = "host" for what needs so many'))
    return ReadPorts(tuple(published), tuple(claims), tuple(faults))


def _claim(published: Iterable[Published], index: int) -> list[PortClaim]:
    path = ("ports", index)
    return [PortClaim(protocol=each.protocol, port=each.host, address=each.address, path=path) for each in published]


def _read(text: str, *, only_v4: bool) -> list[Published] | Fault:
    match = _PORTS.fullmatch(text)
    if match is None:
        return Fault((), f'"{text}" is no published port', _HINT)
    protocol = (match["protocol"] or "tcp").lower()
    if protocol not in PROTOCOLS:
        return Fault((), f'"{text}": there is no protocol "{protocol}"', f"one of {', '.join(PROTOCOLS)}")
    address = match["v6"] or match["v4"] or ""
    if address:
        try:
            read = ipaddress.ip_address(address)
        except ValueError:
            return Fault((), f'"{text}": "{address}" is no IP address', _HINT)
        if read.version == 6 and only_v4:
            return Fault((), f'"{text}": this network has IPv4 only', "leave the address away, or write one of IPv4")
        # Without an address it is all of them; with one, CNI's portmap takes it for a single one.
        address = "" if read.is_unspecified and read.version == 4 else str(read)
    sides = [_read_range(match[side]) for side in ("host", "inside")]
    host, inside = sides
    if host is None or inside is None:
        return Fault((), f'"{text}": a port is a number from 1 to 65535, of a range the smaller one first', _HINT)
    if len(host) != len(inside):
        message = f'"{text}": {len(host)} ports of the host cannot lead to {len(inside)} inside'
        return Fault((), message, "write ranges of the same length")
    return [Published(*pair, protocol, address) for pair in zip(host, inside, strict=True)]


def _read_range(text: str) -> range | None:
    first, _, last = text.partition("-")
    if len(first) > 5 or len(last) > 5:
        return None
    ports = range(int(first), int(last or first) + 1)
    return ports if ports and ports[0] >= 1 and ports[-1] <= 65535 else None
