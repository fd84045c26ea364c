"""What every built-in kind has beside itself: a heading in the author's guide, a golden file, a test."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.kinds import list_kinds
from orchestrator.plugin import Group, MountKind, NetworkKind
from orchestrator.system.entrypoints import load_registry
from orchestrator.testing.check_kind import check_class
from tests.plugins.guide_blocks import find_section

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "plugins/README.md").read_text()
ENTRY_POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
SECTIONS = {Group.MOUNTS: "Mounts", Group.NETWORKS: "Networks"}
KINDS = [(group, name) for group in Group for name in ENTRY_POINTS.get(group.value, ())]
DEFAULT_MOUNT = "bind"


def list_uses(table: dict[str, Any]) -> Iterator[tuple[Group, str]]:
    """The kinds that a definition names."""
    mounts = table.get("mounts", {})
    for mount in mounts.values() if isinstance(mounts, dict) else ():
        kind = mount.get("type", DEFAULT_MOUNT) if isinstance(mount, dict) else mount
        yield Group.MOUNTS, kind if isinstance(kind, str) else ""
    network = table.get("network", "")
    kind = network.get("type", "") if isinstance(network, dict) else network
    yield Group.NETWORKS, kind if isinstance(kind, str) else ""


@pytest.fixture(scope="module")
def golden() -> frozenset[tuple[Group, str]]:
    """The kinds that golden files of bundles use: what they contribute is written there."""
    files = (ROOT / "tests/golden/bundles").glob("*.toml")
    return frozenset(use for file in files for use in list_uses(tomllib.loads(file.read_text())))


@pytest.mark.parametrize(("group", "name"), KINDS)
def test_each_kind_has_a_heading_and_its_options_are_told(group: Group, name: str) -> None:
    section = find_section(GUIDE, SECTIONS[group])
    assert re.search(rf"^### `?{re.escape(name)}`?$", section, re.MULTILINE), f"no heading ### {name}"
    text = re.split(rf"^### `?{re.escape(name)}`?$", section, flags=re.MULTILINE)[1].partition("\n### ")[0]
    (page,) = (page for page in list_kinds(load_registry(), name) if page.group is group)
    for row in page.rows:
        assert re.search(rf"`[^`]*\b{row.name}\b[^`]*`", text), f"nothing about the option {row.name} below ### {name}"


@pytest.mark.parametrize(("group", "name"), KINDS)
def test_each_kind_has_a_golden_file(group: Group, name: str, golden: frozenset[tuple[Group, str]]) -> None:
    assert (group, name) in golden, f"no file in tests/golden/bundles uses the {group.value} kind {name}"


@pytest.mark.parametrize(("group", "name"), KINDS)
def test_each_kind_has_a_test(group: Group, name: str) -> None:
    module, _, kind = ENTRY_POINTS[group.value][name].partition(":")
    imported = re.compile(rf"^from {re.escape(module)} import .*?\b{kind}\b", re.MULTILINE | re.DOTALL)
    tests = Path(__file__).parent.glob("test_*.py")
    assert any(imported.search(file.read_text()) for file in tests), f"no test in tests/plugins imports {kind}"


@pytest.mark.parametrize(("group", "name"), KINDS)
def test_each_kind_is_one(group: Group, name: str) -> None:
    kind = load_registry().of(group)[name]
    check_class(kind)
    assert kind.type == name
    assert issubclass(kind, MountKind if group is Group.MOUNTS else NetworkKind)


def test_both_groups_are_in_the_guide() -> None:
    assert all(f"`{group.value}`" in GUIDE for group in Group)


def test_a_use_is_found() -> None:
    text = 'network = "host"\n[mounts]\n"/a" = { source = "/a" }\n"/b" = { type = "tmpfs" }\n"/c" = "file"\n'
    assert set(list_uses(tomllib.loads(text))) == {
        (Group.NETWORKS, "host"),
        (Group.MOUNTS, "bind"),
        (Group.MOUNTS, "tmpfs"),
        (Group.MOUNTS, "file"),
    }
