"""The `none`, the `host` and the `container` network."""

import pytest
from orchestrator_networks.container import ContainerNetwork
from orchestrator_networks.host import HostNetwork
from orchestrator_networks.none import NoNetwork

from orchestrator.plugin import ContainerName, Contribution, Facts, LiveFile, Namespace, NetworkKind, TextQuestion, Use
from tests.core.helpers_world import answer


@pytest.mark.parametrize("kind", [HostNetwork(), NoNetwork(), ContainerNetwork(name=ContainerName("db"))])
def test_it_is_a_kind_of_network(kind: NetworkKind) -> None:
    assert isinstance(kind, NetworkKind)
    assert isinstance(kind.contribute(Use("web"), answer(kind.questions())), Contribution)


def test_none_asks_nothing() -> None:
    assert tuple(NoNetwork().questions()) == ()


def test_none_is_a_namespace_of_its_own() -> None:
    assert NoNetwork().contribute(Use("web"), answer(())) == Contribution(namespaces=(Namespace("network"),))


def test_host_adds_no_namespace_and_follows_resolv_conf() -> None:
    (question,) = HostNetwork().questions()
    assert question == TextQuestion("/etc/resolv.conf", watch=True)
    facts = Facts(answer(()).host, texts={question: "nameserver 127.0.0.53\n"})
    live = LiveFile("/etc/resolv.conf", "nameserver 127.0.0.53\n", over_hosts=True)
    assert HostNetwork().contribute(Use("web"), facts) == Contribution(live=(live,))


def test_container_shares_a_namespace_in_which_the_loopback_of_the_host_is_not() -> None:
    kind = ContainerNetwork(name=ContainerName("db"))
    asked = (question for question in kind.questions() if isinstance(question, TextQuestion))
    facts = Facts(answer(()).host, texts=dict.fromkeys(asked, "nameserver ::1\nnameserver 192.0.2.1\n"))
    contribution = kind.contribute(Use("web"), facts)
    assert contribution.shares_network_of == "db"
    assert contribution.namespaces == (Namespace("network"),)
    assert contribution.live == (LiveFile("/etc/resolv.conf", "nameserver 192.0.2.1\n"),)
