"""The `bridge` network on a host in memory: what it asks and contributes, who finds whom, what is left."""

import json
from typing import Any

import pytest
from attrs import evolve
from orchestrator_networks.bridge import PLUGINS, Bridge
from orchestrator_networks.conflist import PLUGIN_FOLDERS
from orchestrator_networks.members import render_hosts
from orchestrator_networks.subnets import ROUTES

from orchestrator.plugin import (
    Attaching,
    Contribution,
    Facts,
    FileEntry,
    HostFailed,
    HostName,
    Namespace,
    NetworkKind,
    PathAnswer,
    PathKind,
    PathQuestion,
    PortClaim,
    Ran,
    Stage,
    TextQuestion,
    Use,
)
from orchestrator.testing.plugin_host import Command, Killed
from tests.core.helpers_world import HOST
from tests.plugins.helpers_cni import CniHost, make_container

IPTABLES, IP = "/usr/sbin/iptables", "/usr/sbin/ip"
HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
DEFAULT_ROUTE = "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
TAKEN = "eth0\t0000D70A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
"""10.215.0.0/16, which is all that is chosen from."""
OTHER = "eth1\t0000280A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
"""10.40.0.0/16."""


def facts_of(kind: Bridge, *, missing: tuple[str, ...] = (), cni_path: tuple[str, ...] = ()) -> Facts:
    there = {f"{PLUGIN_FOLDERS[1]}/{name}" for name in PLUGINS if name not in missing}
    there |= {IPTABLES, IP} - set(missing)
    asked = (each.path for each in kind.questions() if isinstance(each, PathQuestion))
    paths = {path: PathAnswer(PathKind.FILE if path in there else PathKind.MISSING, path) for path in asked}
    texts = {each: "nameserver 127.0.0.53\n" for each in kind.questions() if isinstance(each, TextQuestion)}
    return Facts(evolve(HOST, cni_path=cni_path), paths=paths, texts=texts)


def contribute(
    kind: Bridge, name: str = "web", *, missing: tuple[str, ...] = (), cni_path: tuple[str, ...] = ()
) -> Contribution:
    return kind.contribute(Use(name), facts_of(kind, missing=missing, cni_path=cni_path))


def faults(kind: Bridge, *, missing: tuple[str, ...] = (), cni_path: tuple[str, ...] = ()) -> list[tuple[Any, str]]:
    return [(fault.path, fault.message) for fault in contribute(kind, missing=missing, cni_path=cni_path).faults]


def make_host(routes: str = DEFAULT_ROUTE) -> CniHost:
    cni = CniHost.with_plugins(*PLUGINS)
    cni.host.write_file(ROUTES, (HEAD + routes).encode())
    for program in (IPTABLES, IP):
        cni.host.write_file(program, b"")

    def iptables(command: Command) -> Ran:
        action, rule = command.args[5], "rule " + " ".join(command.args[6:])
        known = rule in cni.host.resources
        if action == "-A":
            assert not known, "the rule is there twice"
            cni.host.resources.add(rule)
            return Ran(0, b"", b"")
        if action == "-D":
            cni.host.resources.discard(rule)
        return Ran(0 if known else 1, b"", b"")

    cni.host.reply(IPTABLES, iptables)
    cni.host.reply(IP, lambda command: Ran(1, b"", b"Cannot find device"))
    return cni


class Attached:
    """An instance that uses the kind."""

    def __init__(self, cni: CniHost, kind: Bridge, name: str, pid: int = 7) -> None:
        self.cni = cni
        self.works = [each.work for each in contribute(kind, name).attach]
        self.container = evolve(make_container(f"{name}-1", pid), name=name)
        self.states: list[Any] = []

    def attach(self) -> "Attached":
        for work in self.works:
            self.states.append(Bridge.attach(json.loads(json.dumps(work)), self.container, self.cni.host))
        return self

    def detach(self) -> None:
        states = [*self.states, None, None][:2]
        for work, state in reversed(list(zip(self.works, states, strict=True))):
            Bridge.detach(work, state, evolve(self.container, pid=None), self.cni.host)


def hosts(cni: CniHost, key: str = "default") -> list[str]:
    text = (cni.host.read_file(f"/run/shared/bridge/{key}/hosts") or b"").decode()
    return [line for line in text.splitlines() if not line.startswith(("127.", "::1", "ff02"))]


def test_it_is_a_network_that_does_something_on_the_host() -> None:
    assert isinstance(Bridge(), NetworkKind)
    assert isinstance(Bridge(), Attaching)


def test_what_it_contributes() -> None:
    made = contribute(Bridge(ports=("8080:80", "127.0.0.1:53:53/udp"), aliases=(HostName("www"),)))
    assert made.faults == ()
    assert made.namespaces == (Namespace("network"),)
    assert made.entries == (FileEntry("/etc/hosts"),)
    assert [(mount.destination, mount.source) for mount in made.mounts] == [
        ("/etc/hosts", "@shared/bridge/default/hosts")
    ]
    assert [each.path for each in made.live] == ["/etc/resolv.conf"]
    assert made.claims == (
        PortClaim(protocol="tcp", port=8080, path=("ports", 0)),
        PortClaim(protocol="udp", port=53, address="127.0.0.1", path=("ports", 1)),
    )
    assert [each.stage for each in made.attach] == [Stage.PREPARE, Stage.CONNECT]
    assert made.attach[0].work["names"] == ["web", "www"]


def test_what_is_not_installed_is_named() -> None:
    assert faults(Bridge(), missing=("portmap", "firewall")) == [
        ((), "there is no CNI plugins portmap, firewall in /opt/cni/bin, /usr/lib/cni, /usr/libexec/cni")
    ]
    assert faults(Bridge(), missing=(IPTABLES,)) == [((), "there is no iptables on this host, which a bridge needs")]
    assert faults(Bridge(), missing=(IP,)) == [((), "there is no ip on this host, which a bridge needs")]
    assert faults(Bridge(), missing=PLUGINS, cni_path=("/srv/cni",)) == [], "who knows what is there"


@pytest.mark.parametrize(
    ("kind", "path", "message"),
    [
        (Bridge(name="a/b"), ("name",), '"a/b" is not the name of a bridge'),
        (Bridge(subnet="10.40.0.1/24"), ("subnet",), 'cannot use the subnet "10.40.0.1/24": it has bits below'),
        (Bridge(subnet="fd00::/64"), ("subnet",), 'cannot use the subnet "fd00::/64": it is none of IPv4'),
        (Bridge(subnet="10.40.0.0/30"), ("subnet",), "a prefix is from 8 to 29 long"),
        (Bridge(address="10.40.0.2"), ("address",), "a fixed address needs the subnet that it is of"),
        (Bridge(subnet="10.40.0.0/24", address="10.41.0.2"), ("address",), "is none for a container in 10.40.0.0/24"),
        (Bridge(subnet="10.40.0.0/24", address="10.40.0.1"), ("address",), "is none for a container in 10.40.0.0/24"),
        (Bridge(subnet="10.40.0.0/24", address="x"), ("address",), '"x" is no address of IPv4'),
        (Bridge(mac="01:00:00:00:00:01"), ("mac",), "is no hardware address of one"),
        (Bridge(ports=("80",)), ("ports", 0), '"80" is no published port'),
        (Bridge(ports=("[::1]:80:80",)), ("ports", 0), "this network has IPv4 only"),
    ],
)
def test_mistakes_have_a_place(kind: Bridge, path: tuple[str | int, ...], message: str) -> None:
    (fault,) = contribute(kind).faults
    assert fault.path == path
    assert message in fault.message


def test_containers_find_each_other_while_they_are_there() -> None:
    cni = make_host()
    before = cni.host.describe()
    web = Attached(cni, Bridge(ports=("8080:80",), aliases=(HostName("www"),)), "web").attach()
    assert hosts(cni) == ["10.1.0.2\tweb www"]
    db = Attached(cni, Bridge(), "db").attach()
    assert hosts(cni) == ["10.1.0.2\tdb", "10.1.0.2\tweb www"]
    web.detach()
    assert hosts(cni) == ["10.1.0.2\tdb"]
    db.detach()
    assert what_is_there(cni) == [line for line in before if not line.split()[0].endswith("/")]


def what_is_there(cni: CniHost) -> list[str]:
    lines = (line for line in cni.host.describe() if not line.split()[0].endswith("/"))
    return [line for line in lines if not line.startswith("/run/shared/cni/versions.json")]


def test_bridges_that_begin_side_by_side_have_subnets_of_their_own() -> None:
    cni = make_host()
    for kind in (Bridge(name="left"), Bridge(name="right")):
        work = contribute(kind, kind.name).attach[0].work
        Bridge.attach(work, evolve(make_container(f"{kind.name}-1"), name=kind.name), cni.host)
    rolls = (f"/run/shared/bridge/{key}/members.json" for key in ("left", "right"))
    left, right = (json.loads(cni.host.read_file(path) or b"")["subnet"] for path in rolls)
    assert (left, right) == ("10.215.0.0/20", "10.215.16.0/20"), "no route leads to either yet"
    work = contribute(Bridge(name="third", subnet="10.215.16.0/24"), "third").attach[0].work
    with pytest.raises(
        HostFailed, match=r"cannot use the subnet 10.215.16.0/24: the bridge right leads to 10.215.16.0"
    ):
        Bridge.attach(work, make_container("third-1"), cni.host)


def test_a_rule_that_others_keep_from_being_seen_is_neither_made_twice_nor_left() -> None:
    cni = make_host()
    before = what_is_there(cni)
    web, db = Attached(cni, Bridge(), "web").attach(), Attached(cni, Bridge(), "db")
    busy = Ran(4, b"", b"Another app is currently holding the xtables lock.")
    [rule] = [each for each in cni.host.resources if each.startswith("rule ")]
    reply = cni.host._replies[IPTABLES]
    cni.host.reply(IPTABLES, busy)
    with pytest.raises(HostFailed, match="iptables -D: Another app is currently holding the xtables lock"):
        web.detach()
    assert rule in cni.host.resources
    with pytest.raises(HostFailed, match="iptables -C: Another app"):
        db.attach()
    cni.host.reply(IPTABLES, reply)
    db.detach()
    web.detach()
    assert what_is_there(cni) == before


def test_the_file_stays_the_file_that_containers_have_mounted() -> None:
    cni = make_host()
    Attached(cni, Bridge(), "web").attach()
    node = cni.host.look("/run/shared/bridge/default/hosts")
    Attached(cni, Bridge(), "db").attach()
    assert cni.host.look("/run/shared/bridge/default/hosts") is node


def test_who_was_lost_sight_of_is_not_found_any_more() -> None:
    cni = make_host()
    cni.host.write_file("/proc/8/stat", (cni.host.read_file("/proc/7/stat") or b"").replace(b"7 (", b"8 ("))
    cni.host.write_file("/proc/8/ns/net", b"namespace")
    Attached(cni, Bridge(), "web", pid=8).attach()
    cni.host.remove("/proc/8/stat")
    Attached(cni, Bridge(), "db").attach()
    assert hosts(cni) == ["10.1.0.2\tdb"]


def test_a_port_is_published_only_where_one_is_asked_for() -> None:
    cni = make_host()
    Attached(cni, Bridge(), "db").attach()
    assert [verb for verb in cni.verbs() if verb.startswith("ADD")] == ["ADD bridge", "ADD firewall"]
    Attached(cni, Bridge(ports=("8080:80",)), "web").attach()
    assert [verb for verb in cni.verbs() if verb.startswith("ADD")][2:] == ["ADD bridge", "ADD portmap", "ADD firewall"]
    (told,) = (call.config["runtimeConfig"] for call in cni.calls if call.plugin == "portmap" and call.command == "ADD")
    assert told == {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}


def test_a_fixed_address_is_asked_for() -> None:
    cni = make_host()
    Attached(cni, Bridge(subnet="10.40.0.0/24", address="10.40.0.9", mac="02:00:00:00:00:0A"), "web").attach()
    (told,) = (call.config for call in cni.calls if call.plugin == "bridge" and call.command == "ADD")
    assert told["runtimeConfig"] == {"ips": ["10.40.0.9/24"], "mac": "02:00:00:00:00:0a"}
    assert told["ipam"]["ranges"] == [[{"subnet": "10.40.0.0/24"}]]


def test_a_subnet_is_chosen_that_the_host_has_no_route_to() -> None:
    cni = make_host(DEFAULT_ROUTE + TAKEN.replace("0000FFFF", "00E0FFFF"))  # 10.215.0.0/19
    Attached(cni, Bridge(), "web").attach()
    (told,) = (call.config for call in cni.calls if call.plugin == "bridge" and call.command == "ADD")
    assert told["ipam"]["ranges"] == [[{"subnet": "10.215.32.0/20"}]]
    with pytest.raises(HostFailed, match=r"all of 10\.215\.0\.0/16 is in use: write a subnet"):
        Attached(make_host(TAKEN), Bridge(), "web").attach()


def test_a_subnet_that_somebody_else_has_is_refused() -> None:
    kind = Bridge(subnet="10.40.1.0/24")
    with pytest.raises(HostFailed, match=r"cannot use the subnet 10\.40\.1\.0/24: eth1 leads to 10\.40\.0\.0/16"):
        Attached(make_host(OTHER), kind, "web").attach()


def test_bridges_are_apart() -> None:
    cni = make_host()
    Attached(cni, Bridge(), "web").attach()
    Attached(cni, Bridge(name="back"), "db").attach()
    assert (hosts(cni), hosts(cni, "back")) == (["10.1.0.2\tweb"], ["10.1.0.2\tdb"])
    names = {call.config["bridge"] for call in cni.calls if call.plugin == "bridge" and call.command == "ADD"}
    assert len(names) == 2
    assert all(len(name) <= 15 for name in names)


def test_a_rule_that_is_refused_is_told() -> None:
    cni = make_host()
    cni.host.reply(IPTABLES, Ran(3, b"", b"iptables v1.8.9: can't initialize iptables table `nat'\nPerhaps"))
    with pytest.raises(HostFailed, match=r"iptables v1\.8\.9: can't initialize iptables table `nat' Perhaps; does the"):
        Attached(cni, Bridge(), "web").attach()


def test_an_interface_that_does_not_go_is_told() -> None:
    cni = make_host()
    web = Attached(cni, Bridge(), "web").attach()
    cni.host.reply(IP, Ran(2, b"", b"RTNETLINK answers: Operation not permitted"))
    with pytest.raises(HostFailed, match=r"ip link delete orch-[0-9a-f]{10}: RTNETLINK answers"):
        web.detach()
    cni.host.reply(IP, Ran(0, b"", b""))
    web.detach()
    assert cni.host.list_folder("/run/shared/bridge") == ()


def count_calls() -> int:
    cni = make_host()
    begun = len(cni.host.calls)
    Attached(cni, Bridge(ports=("8080:80",)), "web").attach().detach()
    return len(cni.host.calls) - begun


@pytest.mark.parametrize("calls", range(count_calls()))
def test_a_kill_at_any_step_leaves_nothing(calls: int) -> None:
    cni = make_host()
    before = what_is_there(cni)
    web = Attached(cni, Bridge(ports=("8080:80",)), "web")
    cni.host.kill_after(calls)
    with pytest.raises(Killed):
        web.attach().detach()
    cni.host.restart()
    web.detach()
    assert what_is_there(cni) == before
    web.detach()


def test_a_hosts_file_is_in_order() -> None:
    assert render_hosts(()).decode().splitlines()[0] == "127.0.0.1\tlocalhost"
