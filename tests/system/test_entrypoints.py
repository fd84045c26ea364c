"""Kinds by entry point: the built-in ones are found, and what is no kind is refused by name."""

import importlib.metadata
from importlib.metadata import EntryPoint

import pytest
from orchestrator_mounts.bind import Bind
from orchestrator_networks.bridge import Bridge
from orchestrator_networks.container import ContainerNetwork
from orchestrator_networks.host import HostNetwork
from orchestrator_networks.none import NoNetwork

from orchestrator.model.registry import Group
from orchestrator.system import entrypoints
from orchestrator.system.entrypoints import PluginUnusable, load_registry


def test_the_built_in_kinds_come_through_the_door() -> None:
    registry = load_registry()
    assert registry.of(Group.MOUNTS)["bind"] is Bind
    networks = registry.of(Group.NETWORKS)
    assert (networks["none"], networks["host"], networks["container"]) == (NoNetwork, HostNetwork, ContainerNetwork)
    assert (networks["none"], networks["host"], networks["bridge"]) == (NoNetwork, HostNetwork, Bridge)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no_such_module_here:Kind", "No module named"),
        ("orchestrator.plugin:NoSuchKind", "has no attribute"),
        ("orchestrator.plugin:Mount", "has no questions and no contribute"),
        ("orchestrator.plugin:option", "has no questions and no contribute"),
    ],
)
def test_what_is_no_kind_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str, why: str) -> None:
    def only_this(*, group: str) -> list[EntryPoint]:
        return [EntryPoint("odd", value, group)] if group == Group.MOUNTS.value else []

    monkeypatch.setattr(entrypoints, "entry_points", only_this)
    with pytest.raises(PluginUnusable, match='plugin "odd" of an unknown distribution') as caught:
        load_registry()
    assert why in str(caught.value)
    assert importlib.metadata.entry_points is not only_this
