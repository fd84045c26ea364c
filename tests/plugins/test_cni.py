"""The `cni` and the `path` network: what they ask, find wrong and contribute; the texts that they read."""

import json
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from orchestrator_networks.cni import Bandwidth, CniNetwork, Dns
from orchestrator_networks.conflist import (
    FOLDER,
    SUFFIXES,
    Unusable,
    find_named,
    list_capabilities,
    list_plugins,
    list_versions,
    read_conflist,
)
from orchestrator_networks.path import PathNetwork
from orchestrator_networks.published import MOST_PORTS, Published, read_ports

from orchestrator.plugin import (
    AbsolutePath,
    Attaching,
    Contribution,
    EntriesQuestion,
    Facts,
    FolderAnswer,
    Guess,
    HostName,
    Namespace,
    NetworkKind,
    PathAnswer,
    PathKind,
    PathQuestion,
    PortClaim,
    Stage,
    TextQuestion,
    TextsQuestion,
    Use,
)
from tests.core.helpers_world import HOST

LAN: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "lan",
    "plugins": [
        {"type": "bridge", "ipam": {"type": "host-local"}, "capabilities": {"ips": True, "mac": True}},
        {"type": "portmap", "capabilities": {"portMappings": True, "bandwidth": True, "aliases": True, "dns": True}},
    ],
}
TEXT = json.dumps(LAN)
FILE = AbsolutePath("/srv/lan.conflist")


def contribute(
    kind: CniNetwork, files: dict[str, str | None] | None = None, plugins: tuple[str, ...] = ("bridge", "portmap")
) -> Contribution:
    """In a world with these files, in the folder and elsewhere."""
    files = files or {}
    facts = Facts(HOST)
    for question in kind.questions():
        match question:
            case EntriesQuestion(path=path):
                there = path == "/usr/lib/cni"
                links = (("host-local", "elsewhere"),) if there else ()
                facts = evolve(
                    facts, entries={**facts.entries, path: FolderAnswer(files=plugins, links=links) if there else None}
                )
            case TextsQuestion():
                facts = evolve(facts, folder_texts={question: tuple(sorted(files.items()))})
            case TextQuestion(path=path):
                facts = evolve(facts, texts={**facts.texts, question: files.get(path)})
            case PathQuestion(path=path):
                kind_there = PathKind.FILE if path in files else PathKind.MISSING
                facts = evolve(facts, paths={path: PathAnswer(kind_there, path)})
    return kind.contribute(Use("web"), facts)


def faults(kind: CniNetwork, files: dict[str, str | None] | None = None) -> list[tuple[Any, str]]:
    return [(fault.path, fault.message) for fault in contribute(kind, files).faults]


def test_it_is_a_network_that_does_something_on_the_host() -> None:
    assert isinstance(CniNetwork(), NetworkKind)
    assert isinstance(CniNetwork(), Attaching)


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        (CniNetwork(name="lan"), {"10-lan.conflist": TEXT}),
        (CniNetwork(path=FILE), {FILE: TEXT}),
        (CniNetwork(text=TEXT), {}),
    ],
)
def test_a_conflist_goes_into_the_work(kind: CniNetwork, files: dict[str, str | None]) -> None:
    made = contribute(kind, files)
    assert made.faults == ()
    assert made.namespaces == (Namespace("network"),)
    assert [each.path for each in made.live] == ["/etc/resolv.conf"]
    (attachment,) = made.attach
    assert attachment.stage is Stage.CONNECT
    assert attachment.work == {"conflist": LAN, "interface": "eth0", "arguments": {}, "lasting": True}


def test_files_are_asked_for_where_they_are_and_are_as_good_as_a_part_of_the_definition() -> None:
    assert TextsQuestion(FOLDER, SUFFIXES) in CniNetwork(name="lan").questions()
    assert TextQuestion(FILE, watch=True) in CniNetwork(path=FILE).questions()
    assert not any(isinstance(each, TextsQuestion) for each in CniNetwork(text=TEXT).questions())


def test_what_a_container_wants_becomes_arguments_of_capabilities() -> None:
    kind = CniNetwork(
        text=TEXT,
        interface="net0",
        ports=("127.0.0.1:8080:80",),
        addresses=("10.1.0.9/24",),
        mac="02:00:00:00:00:0A",
        bandwidth=Bandwidth(egress_rate=1000, egress_burst=100),
        aliases=(HostName("db"),),
        dns=Dns(servers=("10.1.0.1",)),
    )
    made = contribute(kind)
    assert made.faults == ()
    assert made.attach[0].work["interface"] == "net0"
    assert made.attach[0].work["arguments"] == {
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "127.0.0.1"}],
        "ips": ["10.1.0.9/24"],
        "mac": "02:00:00:00:00:0a",
        "bandwidth": {"egressRate": 1000, "egressBurst": 100},
        "aliases": ["db"],
        "dns": {"servers": ["10.1.0.1"]},
    }
    assert made.claims == (PortClaim(protocol="tcp", port=8080, address="127.0.0.1", path=("ports", 0)),)


def test_what_no_plugin_hears_of_is_a_mistake() -> None:
    plain = json.dumps({**LAN, "plugins": [{"type": "bridge"}]})
    assert faults(CniNetwork(text=plain, ports=("80:80",), mac="02:00:00:00:00:0a")) == [
        (("mac",), 'no plugin of the network "lan" has the capability mac'),
        (("ports",), 'no plugin of the network "lan" has the capability portMappings'),
    ]


def test_a_name_that_there_is_not_is_told_with_those_there_are() -> None:
    other = json.dumps({**LAN, "name": "lane"})
    (fault,) = contribute(CniNetwork(name="lan"), {"a.conflist": other, "b.conf": "{", "c.conf": None}).faults
    assert fault.path == ("name",)
    assert fault.message == 'there is no network "lan" in /etc/cni/net.d'
    assert fault.guess == Guess("lan", ("lane",))


def test_of_two_files_of_one_name_the_first_counts() -> None:
    second = json.dumps({**LAN, "plugins": [{"type": "portmap"}]})
    found, names = find_named("lan", [("10-a.conflist", TEXT), ("20-b.conflist", second)])
    assert found == LAN
    assert names == ["lan", "lan"]


@pytest.mark.parametrize(
    ("kind", "path", "message"),
    [
        (CniNetwork(), (), "names no network"),
        (CniNetwork(name="lan", text=TEXT), (), "names its network by name and text"),
        (CniNetwork(path=FILE), ("path",), f'cannot use "{FILE}": no such file or directory'),
        (CniNetwork(text="{"), ("text",), "cannot use the conflist: it is not JSON: Expecting property name"),
        (CniNetwork(text=TEXT, interface="a/b"), ("interface",), '"a/b" is not the name of an interface'),
        (CniNetwork(text=TEXT, addresses=("x",)), ("addresses", 0), '"x" is no IP address'),
        (CniNetwork(text=TEXT, dns=Dns(servers=("x",))), ("dns", "servers", 0), '"x" is no IP address'),
        (CniNetwork(text=TEXT, mac="0"), ("mac",), '"0" is no hardware address of one'),
    ],
)
def test_mistakes_have_a_place(kind: CniNetwork, path: tuple[str | int, ...], message: str) -> None:
    (fault,) = contribute(kind).faults
    assert fault.path == path
    assert fault.message.startswith(message)


def test_a_plugin_that_is_not_installed_is_named() -> None:
    (fault,) = contribute(CniNetwork(text=TEXT), plugins=("bridge",)).faults
    assert fault.message == "there is no CNI plugin portmap in /opt/cni/bin, /usr/lib/cni, /usr/libexec/cni"
    assert "apt-get install containernetworking-plugins" in fault.hint


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "it is not a JSON object"),
        ("[" * 100000, "it is not JSON"),
        ('{"name": "a b", "plugins": []}', 'its "name" is missing'),
        ('{"name": "lan", "cniVersion": "1.0.0"}', 'it has no list of "plugins"'),
        ('{"name": "lan", "cniVersion": "1.0.0", "plugins": []}', 'it has no list of "plugins"'),
        ('{"name": "lan", "cniVersion": "1.0.0", "plugins": [{"type": "../x"}]}', r'its plugins\[0\] has no "type"'),
        ('{"name": "lan", "plugins": [{"type": "x"}]}', 'its "cniVersion" is none, and those from 0.3.0'),
        ('{"name": "lan", "cniVersion": "0.2.0", "plugins": [{"type": "x"}]}', 'its "cniVersion" is 0.2.0'),
    ],
)
def test_what_is_no_conflist(text: str, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        read_conflist(text)


def test_a_single_plugin_becomes_a_list_of_one() -> None:
    conf = {"cniVersion": "0.4.0", "name": "lan", "type": "macvlan", "master": "eth0"}
    assert read_conflist(json.dumps(conf)) == {"cniVersion": "0.4.0", "name": "lan", "plugins": [conf]}


def test_what_a_conflist_takes() -> None:
    conflist = read_conflist(json.dumps({**LAN, "cniVersions": ["0.4.0", "1.1.0", "9.9.9"]}))
    assert list_versions(conflist) == ("1.1.0", "1.0.0", "0.4.0")
    assert list_plugins(conflist) == ("bridge", "host-local", "portmap")
    assert list_capabilities(conflist) == {"ips", "mac", "portMappings", "bandwidth", "aliases", "dns"}


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("8080:80", [Published(8080, 80, "tcp")]),
        ("0.0.0.0:8080:80/TCP", [Published(8080, 80, "tcp")]),
        ("127.0.0.1:53:53/udp", [Published(53, 53, "udp", "127.0.0.1")]),
        ("[::1]:53:53/sctp", [Published(53, 53, "sctp", "::1")]),
        ("8000-8002:9000-9002", [Published(8000 + each, 9000 + each, "tcp") for each in range(3)]),
    ],
)
def test_published_ports(text: str, published: list[Published]) -> None:
    read = read_ports([text])
    assert (list(read.published), read.faults) == (published, ())
    assert [claim.port for claim in read.claims] == [each.host for each in published]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("80", "is no published port"),
        ("a:80:80", '"a" is no IP address'),
        ("0:80", "a port is a number from 1 to 65535"),
        ("80:65536", "a port is a number from 1 to 65535"),
        ("80:999999999999999999999", "a port is a number from 1 to 65535"),
        ("82-80:80-82", "the smaller one first"),
        ("80-82:80", "3 ports of the host cannot lead to 1 inside"),
        ("80:80/icmp", 'there is no protocol "icmp"'),
    ],
)
def test_ports_that_cannot_be(text: str, why: str) -> None:
    (fault,) = read_ports(["1:1", text]).faults
    assert fault.path == ("ports", 1)
    assert why in fault.message


def test_ports_are_not_without_number() -> None:
    (fault,) = read_ports(["1-2000:1-2000"]).faults
    assert fault.message == f"2000 ports are more than {MOST_PORTS}"


@given(st.text(max_size=30))
def test_any_text_is_ports_or_a_mistake(text: str) -> None:
    read = read_ports([text])
    assert bool(read.published) is not bool(read.faults)


def test_a_path_is_a_namespace_that_is_there() -> None:
    kind = PathNetwork(path=AbsolutePath("/run/netns/blue"))
    assert isinstance(kind, NetworkKind)
    question, *others = kind.questions()
    assert question == PathQuestion("/run/netns/blue")
    texts = {each: "nameserver 10.0.0.1\n" for each in others if isinstance(each, TextQuestion)}

    def with_kind(there: PathKind) -> Contribution:
        return kind.contribute(
            Use("web"), Facts(HOST, paths={kind.path: PathAnswer(there, kind.path, "permission denied")}, texts=texts)
        )

    assert with_kind(PathKind.FILE).namespaces == (Namespace("network", "/run/netns/blue"),)
    messages = [with_kind(there).faults[0].message for there in (PathKind.MISSING, PathKind.DENIED, PathKind.DIRECTORY)]
    assert messages == [
        'cannot use "/run/netns/blue": no such file or directory',
        'cannot use "/run/netns/blue": permission denied',
        'cannot use "/run/netns/blue": it is no namespace',
    ]
    assert with_kind(PathKind.MISSING).faults[0].hint == "ip netns add blue"
