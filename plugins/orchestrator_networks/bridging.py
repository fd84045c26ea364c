"""What the `bridge` network does on the host: members, addresses, the way out, and the end of it all.

What a bridge has on the host (itself, a rule for the way out, leases, the hosts file) comes with the first container
and goes with the last. Of the way out there is one rule for a bridge instead of the three for each container that the
plugin's own ``ipMasq`` makes, which stay where a container's namespace is gone before it is detached. Floor: plugin.
"""

import contextlib
import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve

from orchestrator.plugin import Container, Host, HostFailed, Ran
from orchestrator_networks.client import Client
from orchestrator_networks.installed import IP, IPTABLES, PACKAGES
from orchestrator_networks.members import Member, Members, Roll, find_start
from orchestrator_networks.network import Network
from orchestrator_networks.subnets import check_subnet, choose_subnet

_IPTABLES_BUSY = 4
"""The exit code of iptables(8) that could not get its lock, or room of the kernel: RESOURCE_PROBLEM there."""


class HostBridge:
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
        member = Member(names=tuple(self._work["names"]))
        with self._host.lock(self._lock):
            members = self._roll.read()
            if members is not None:
                self._roll.write(members.with_member(self._container.instance, member))
                return
            with self._host.lock("bridge"):  # no other bridge chooses meanwhile
                members = Members(subnet=self._find_subnet())
                self._roll.write(members.with_member(self._container.instance, member))

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
        others = self._list_others()
        if not subnet:
            return choose_subnet(self._host, others.values())
        check_subnet(self._host, subnet, self._interface, others)
        return subnet

    def _list_others(self) -> dict[str, ipaddress.IPv4Network]:
        """The subnets of the other bridges, by a word for people: no route leads to one before its first container is
        connected."""
        folder, _, own = self._roll.folder.rpartition("/")
        found: dict[str, ipaddress.IPv4Network] = {}
        for key in self._host.list_folder(folder):
            with contextlib.suppress(HostFailed):  # of a damaged one its own members are told
                members = Roll(f"{folder}/{key}", self._host).read() if key != own else None
                if members is not None:
                    found[f"the bridge {key}"] = ipaddress.IPv4Network(members.subnet)
        return found

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
        if not self._iptables("-C", *self._rule(subnet)).success:
            ran = self._iptables("-A", *self._rule(subnet))
            if not ran.success:
                raise HostFailed(f"iptables: {_join(ran.errors)}; does the kernel have it? see orchestrator doctor")

    def _close_way_out(self, subnet: str) -> None:
        self._iptables("-D", *self._rule(subnet))  # where there is none it says so

    def _iptables(self, action: str, *words: str) -> Ran:
        """Raises HostFailed where others have kept it waiting: then it has neither looked nor done anything, and what
        it says is no answer."""
        program = _find_program("iptables", IPTABLES, self._host)
        ran = self._host.run([program, "-w", "10", "-t", "nat", action, *words])
        if ran.code == _IPTABLES_BUSY:
            raise HostFailed(f"iptables {action}: {_join(ran.errors)}")
        return ran

    def _remove_interface(self) -> None:
        ran = self._host.run([_find_program("ip", IP, self._host), "link", "delete", self._interface])
        if not ran.success and b"Cannot find device" not in ran.errors:
            raise HostFailed(f"ip link delete {self._interface}: {_join(ran.errors)}")


def _find_address(result: Mapping[str, Any]) -> str:
    """The first of IPv4 that a result has (SPEC.md, "Success")."""
    for each in result.get("ips") or ():
        address = str(each.get("address", "")).partition("/")[0]
        if address and ":" not in address:
            return address
    raise HostFailed("the bridge gave the container no address")


def _join(errors: bytes) -> str:
    """What a program has written, in one line."""
    return " ".join(errors.decode(errors="replace").split())


def _find_program(name: str, paths: Iterable[str], host: Host) -> str:
    for path in paths:
        folder, _, program = path.rpartition("/")
        if program in host.list_folder(folder):
            return path
    raise HostFailed(f"there is no {name} on this host (apt-get install {PACKAGES[name]})")
