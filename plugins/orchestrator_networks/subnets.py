"""A private subnet for a bridge that the host has no route to yet. Floor: plugin."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from orchestrator.plugin import Host, HostFailed

ROUTES = "/proc/self/net/route"
"""The host's routes (proc_net(5)): addresses and masks in hexadecimal, the bytes as the machine has them."""

_POOL = ipaddress.IPv4Network("10.215.0.0/16")
_PREFIX = 20
"""Of a subnet: 4093 containers."""


def choose_subnet(host: Host, others: Iterable[ipaddress.IPv4Network] = ()) -> str:
    """A subnet that nothing uses as far as routes tell, and none of ``others``. Raises HostFailed where there is
    none."""
    used = [*(network for _, network in read_routes(host)), *others]
    for subnet in _POOL.subnets(new_prefix=_PREFIX):
        if not any(subnet.overlaps(each) for each in used):
            return str(subnet)
    raise HostFailed(f"all of {_POOL} is in use: write a subnet")


def check_subnet(
    host: Host, subnet: str, interface: str, others: Mapping[str, ipaddress.IPv4Network] = MappingProxyType({})
) -> None:
    """Raises HostFailed where another interface leads to a subnet that was asked for, or one of ``others`` does."""
    wanted = ipaddress.IPv4Network(subnet)
    for other, network in (*read_routes(host), *others.items()):
        if other != interface and wanted.overlaps(network):
            raise HostFailed(f"cannot use the subnet {subnet}: {other} leads to {network}")


def read_routes(host: Host) -> Iterator[tuple[str, ipaddress.IPv4Network]]:
    """The interfaces, and the networks that they lead to, but for the default route."""
    text = (host.read_file(ROUTES) or b"").decode(errors="replace")
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        address, mask = (_read_address(fields[index]) for index in (1, 7))
        network = ipaddress.IPv4Network((int(address), int(mask).bit_count()), strict=False)
        if network.prefixlen:
            yield fields[0], network


def _read_address(text: str) -> ipaddress.IPv4Address:
    # Little-endian, as the machines that are supported are.
    return ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(text), "little"))
