"""The `bridge` network: a bridge of the agent's own, ready to use, over CNI's plugins bridge, host-local, portmap and
firewall.

Containers on one bridge reach each other by name through a hosts file that all of them mount. What is done on the host
is `orchestrator_networks.bridging`'s part. Floor: plugin.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from attrs import frozen

from orchestrator.plugin import (
    Attachment,
    Change,
    Container,
    Contribution,
    Facts,
    Fault,
    FileEntry,
    Host,
    HostName,
    Mount,
    Namespace,
    Question,
    Stage,
    Use,
    ask_resolv_conf,
    follow_resolv_conf,
    option,
)
from orchestrator_networks.conflist import NAME
from orchestrator_networks.hardware import check_mac
from orchestrator_networks.installed import find_missing, plugin_questions
from orchestrator_networks.published import read_ports

PLUGINS = ("bridge", "host-local", "portmap", "firewall")
HOSTS = "/etc/hosts"
LONGEST_NAME = 32


@frozen(kw_only=True)
class Bridge:
    """A bridge that containers share, with a way out."""

    type: ClassVar[str] = "bridge"
    name: str = option(
        default="default",
        doc="Which bridge: containers with the same `name` and `subnet` are on one, and reach each other by name.",
        change=Change.REPLACE,
        example='"backend"',
    )
    subnet: str | None = option(
        default=None,
        doc="The bridge's addresses, of IPv4, its first one the host's. Without it some that the host has no route to.",
        change=Change.REPLACE,
        example='"10.40.0.0/24"',
    )
    address: str | None = option(
        default=None,
        doc="A fixed address in `subnet`, which must be written then.",
        change=Change.REPLACE,
        example='"10.40.0.10"',
    )
    mac: str | None = option(
        default=None, doc="A fixed hardware address.", change=Change.REPLACE, example='"02:42:0a:28:00:0a"'
    )
    ports: tuple[str, ...] = option(
        default=(),
        doc="Ports of the host that lead inside: `[ADDRESS:]PORT:PORT[/PROTOCOL]`, or ranges in place of ports.",
        change=Change.REPLACE,
        example='["8080:80", "127.0.0.1:5353:53/udp"]',
    )
    aliases: tuple[HostName, ...] = option(
        default=(),
        doc="Names by which others on the bridge reach it, beside its own.",
        change=Change.REPLACE,
        example='["db"]',
    )

    def questions(self) -> Iterable[Question]:
        """Whether the plugins are there, and what they run; what the host's resolv.conf says."""
        return (*plugin_questions(PLUGINS), *ask_resolv_conf(own_network=True))

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """A namespace, the hosts file, and what is to be done for each instance."""
        ports = read_ports(self.ports, only_v4=True)
        faults = (*self._find_faults(), *ports.faults, *find_missing(PLUGINS, facts))
        key = self._key
        work = {
            "key": key,
            "subnet": self.subnet or "",
            "address": self.address or "",
            "mac": (self.mac or "").lower(),
            "ports": [each.to_mapping() for each in ports.published],
            "names": [use.container, *self.aliases],
        }
        source = f"{use.shared}/bridge/{key}/hosts"
        return Contribution(
            mounts=(Mount(HOSTS, "bind", source, ("bind", "private", "ro", "nosuid", "nodev", "noexec")),),
            entries=(FileEntry(HOSTS),),
            namespaces=(Namespace("network"),),
            live=(follow_resolv_conf(facts, own_network=True),),
            attach=(
                Attachment(stage=Stage.PREPARE, work={**work, "stage": "prepare"}),
                Attachment(stage=Stage.CONNECT, work={**work, "stage": "connect"}),
            ),
            claims=ports.claims,
            faults=faults,
        )

    @property
    def _key(self) -> str:
        return self.name if self.subnet is None else f"{self.name}-{self.subnet.replace('/', '-')}"

    def _find_faults(self) -> Iterable[Fault]:
        if not NAME.fullmatch(self.name) or len(self.name) > LONGEST_NAME:
            hint = f'{LONGEST_NAME} letters, digits, ".", "_" and "-" at most, the first no sign'
            yield Fault(("name",), f'"{self.name}" is not the name of a bridge', hint)
        if self.mac is not None and not check_mac(self.mac):
            yield Fault(("mac",), f'"{self.mac}" is no hardware address of one', 'write "02:42:0a:28:00:0a"')
        subnet = None
        if self.subnet is not None:
            try:
                subnet = ipaddress.IPv4Network(self.subnet)
            except ValueError as error:
                why = "it has bits below its prefix" if "host bits" in str(error) else "it is none of IPv4"
                yield Fault(("subnet",), f'cannot use the subnet "{self.subnet}": {why}', 'write "10.40.0.0/24"')
            else:
                if not 8 <= subnet.prefixlen <= 29:
                    yield Fault(("subnet",), f'"{self.subnet}": a prefix is from 8 to 29 long')
        if self.address is None:
            return
        if self.subnet is None:
            yield Fault(("address",), "a fixed address needs the subnet that it is of", 'write subnet = "10.40.0.0/24"')
        try:
            address = ipaddress.IPv4Address(self.address)
        except ValueError:
            yield Fault(("address",), f'"{self.address}" is no address of IPv4')
            return
        if subnet is None:
            return
        first, last = subnet.network_address, subnet.broadcast_address
        if address not in subnet or address in (first, first + 1, last):
            hint = f'from "{first + 2}" to "{last - 1}"'
            yield Fault(("address",), f'"{address}" is none for a container in {subnet}', hint)

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> Mapping[str, Any] | None:
        """Before it is created: be a member. Then be connected. Raises HostFailed."""
        from orchestrator_networks.bridging import HostBridge  # of a look at definitions it is no part

        bridge = HostBridge(work, container, host)
        if work["stage"] == "prepare":
            bridge.enter()
            return None
        return bridge.connect()

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        """The same the other way round. Raises HostFailed."""
        from orchestrator_networks.bridging import HostBridge  # as above

        bridge = HostBridge(work, container, host)
        if work["stage"] == "prepare":
            bridge.leave()
        else:
            bridge.disconnect(state)
