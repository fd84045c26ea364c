"""The `none` and the `host` network."""

import pytest
from orchestrator_networks.host import HostNetwork
from orchestrator_networks.none import NoNetwork

from orchestrator.plugin import Contribution, Namespace, NetworkKind, Use
from tests.core.helpers_world import answer


@pytest.mark.parametrize("kind", [HostNetwork(), NoNetwork()])
def test_it_is_a_kind_of_network_that_asks_nothing(kind: NetworkKind) -> None:
    assert isinstance(kind, NetworkKind)
    assert tuple(kind.questions()) == ()


def test_none_is_a_namespace_of_its_own() -> None:
    assert NoNetwork().contribute(Use("web"), answer(())) == Contribution(namespaces=(Namespace("network"),))


def test_host_adds_nothing() -> None:
    assert HostNetwork().contribute(Use("web"), answer(())) == Contribution()
