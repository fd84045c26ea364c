"""The `bridge` network: a bridge of the agent's own, ready to use, over CNI's plugins bridge, host-local, portmap and
firewall.

Containers on one bridge reach each other by name through a hosts file that all of them mount. What a bridge has on the
host (itself, a rule for the way out, leases, the file) comes with the first container and goes with the last. Of the
way out there is one rule for a bridge instead of the three for each container that the plugin's own ``ipMasq`` makes,
which stay where a container's namespace is gone before it is detached. Floor: plugin.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from attrs import evolve, frozen

from orchestrator.plugin import (
    Attachment,
    Change,
    Container,
    Contribution,
    Facts,
    Fault,
    FileEntry,
    Host,
    HostFailed,
    HostName,
    Mount,
    Namespace,
    PathQuestion,
    Question,
    Stage,
    Use,
    option,
)
from orchestrator_networks.client import Client, Network
from orchestrator_networks.conflist import NAME
from orchestrator_networks.hardware import check_mac
from orchestrator_networks.installed import find_missing, plugin_questions
from orchestrator_networks.members import Member, Members, Roll, find_start
from orchestrator_networks.published import read_ports
from orchestrator_networks.subnets import check_subnet, choose_subnet

PLUGINS = ("bridge", "host-local", "portmap", "firewall")
HOSTS = "/etc/hosts"
LONGEST_NAME = 32

_IPTABLES = ("/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables", "/usr/local/sbin/iptables")
_IP = ("/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip")


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
        """Whether the plugins are there."""
        return (*plugin_questions(PLUGINS), *(PathQuestion(path) for path in _IPTABLES))

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """A namespace, the hosts file, and what is to be done for each instance."""
        ports = read_ports(self.ports, only_v4=True)
        faults = (*self._find_faults(), *ports.faults, *find_missing(PLUGINS, facts, iptables=_IPTABLES))
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
        bridge = _Bridge(work, container, host)
        if work["stage"] == "prepare":
            bridge.enter()
            return None
        return bridge.connect()

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        """The same the other way round. Raises HostFailed."""
        bridge = _Bridge(work, container, host)
        if work["stage"] == "prepare":
            bridge.leave()
        else:
            bridge.disconnect(state)


class _Bridge:
    """A bridge, for one of its members."""

    def __init__(self, work: Mapping[str, Any], container: Container, host: Host) -> None:
        self._work = work
        self._container = container
        self._host = host
        key: str = work["key"]
        self._lock = f"bridge/{key}"
        self._roll = Roll(f"{container.shared}/bridge/{key}", host)
        # Of each agent and bridge another; 15 characters are the most that the kernel takes.
        self._interface = f"orch-{hashlib.sha256(self._roll.folder.encode()).hexdigest()[:10]}"

    def enter(self) -> None:
        """Be a member: from now on the bridge stays, and the hosts file is there to be mounted."""
        with self._host.lock(self._lock):
            members = self._roll.read() or Members(subnet=self._find_subnet())
            self._roll.write(members.with_member(self._container.instance, Member(names=tuple(self._work["names"]))))

    def leave(self) -> None:
        """Be none any more; with the last one goes all that there is of the bridge."""
        with self._host.lock(self._lock):
            members = self._roll.read()
            if members is None:
                return
            left = members.without(self._container.instance)
            if left.members:
                self._roll.write(left)
                return
            self._close_way_out(members.subnet)
            self._remove_interface()
            self._roll.remove()

    def connect(self) -> dict[str, Any]:
        """Get an address, and tell the others."""
        with self._host.lock(self._lock):
            members = self._roll.read()
            if members is None or self._container.pid is None:
                raise HostFailed("the container is no member of the bridge any more")
            if not any(each.address for each in members.members.values()):
                self._open_way_out(members.subnet)
        result = Client(self._container, self._host, folder=self._roll.folder).attach(self._describe(members.subnet))
        address = _find_address(result)
        pid = self._container.pid
        member = Member(names=tuple(self._work["names"]), address=address, pid=pid, started=find_start(self._host, pid))
        self._enroll(member)
        return {"subnet": members.subnet, "result": result}

    def disconnect(self, state: Mapping[str, Any] | None) -> None:
        """Give the address back. Nobody is to find it there meanwhile."""
        with self._host.lock(self._lock):
            members = self._roll.read()
            known = members.members.get(self._container.instance) if members is not None else None
            if members is not None and known is not None and known.address:
                self._roll.write(members.with_member(self._container.instance, evolve(known, address="")))
        subnet = members.subnet if members is not None else (state or {}).get("subnet")
        if subnet is not None:
            result = None if state is None else state["result"]
            Client(self._container, self._host, folder=self._roll.folder).detach(self._describe(subnet), result)

    def _enroll(self, member: Member) -> None:
        with self._host.lock(self._lock):
            members = self._roll.read()
            if members is None:
                raise HostFailed("the bridge is gone")
            self._roll.write(members.with_member(self._container.instance, member))

    def _find_subnet(self) -> str:
        subnet: str = self._work["subnet"]
        if not subnet:
            return choose_subnet(self._host)
        check_subnet(self._host, subnet, self._interface)
        return subnet

    def _describe(self, subnet: str) -> Network:
        """The network as CNI has it. What the plugins keep is in memory, and gone after a boot with the containers."""
        ports, address, mac = self._work["ports"], self._work["address"], self._work["mac"]
        ipam = {
            "type": "host-local",
            "dataDir": f"{self._roll.folder}/leases",
            "ranges": [[{"subnet": subnet}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {
            "type": "bridge",
            "bridge": self._interface,
            "isGateway": True,
            "hairpinMode": True,
            "ipam": ipam,
            "capabilities": {"ips": True, "mac": True},
        }
        portmap = {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}}
        plugins = [bridge, *([portmap] if ports else []), {"type": "firewall"}]
        versions = {"cniVersion": "1.0.0", "cniVersions": ["0.4.0", "1.0.0"]}
        arguments = {
            **({"portMappings": ports} if ports else {}),
            **({"ips": [f"{address}/{subnet.partition('/')[2]}"]} if address else {}),
            **({"mac": mac} if mac else {}),
        }
        conflist = {**versions, "name": self._interface, "plugins": plugins}
        return Network(conflist=conflist, arguments=arguments, lasting=False)

    def _rule(self, subnet: str) -> tuple[str, ...]:
        comment = f"orchestrator: bridge {self._work['key']}"
        matches = ("-s", subnet, "!", "-o", self._interface, "-m", "comment", "--comment", comment)
        return ("POSTROUTING", *matches, "-j", "MASQUERADE")

    def _open_way_out(self, subnet: str) -> None:
        """What leaves by another interface has the host's address. An agent that was killed may have seen to it."""
        if self._iptables("-C", *self._rule(subnet)):
            return
        if not self._iptables("-A", *self._rule(subnet), tells=True):
            raise AssertionError("a failure is told")

    def _close_way_out(self, subnet: str) -> None:
        while self._iptables("-D", *self._rule(subnet)):
            pass

    def _iptables(self, action: str, *words: str, tells: bool = False) -> bool:
        program = _find_program("iptables", _IPTABLES, self._host)
        ran = self._host.run([program, "-w", "10", "-t", "nat", action, *words])
        if tells and not ran.success:
            lines = ran.errors.decode(errors="replace").split()
            raise HostFailed(f"iptables: {' '.join(lines)}; does the kernel have it? see orchestrator doctor")
        return ran.success

    def _remove_interface(self) -> None:
        ran = self._host.run([_find_program("ip", _IP, self._host), "link", "delete", self._interface])
        if not ran.success and b"Cannot find device" not in ran.errors:
            raise HostFailed(
                f"ip link delete {self._interface}: {' '.join(ran.errors.decode(errors='replace').split())}"
            )


def _find_address(result: Mapping[str, Any]) -> str:
    """The first of IPv4 that a result has (SPEC.md, "Success")."""
    for each in result.get("ips") or ():
        address = str(each.get("address", "")).partition("/")[0]
        if address and ":" not in address:
            return address
    raise HostFailed("the bridge gave the container no address")


def _find_program(name: str, paths: Iterable[str], host: Host) -> str:
    for path in paths:
        folder, _, program = path.rpartition("/")
        if program in host.list_folder(folder):
            return path
    raise HostFailed(f"there is no {name} on this host (apt-get install {'iproute2' if name == 'ip' else name})")
