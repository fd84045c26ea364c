"""Kinds by entry point: the built-in ones are found without being loaded, and what is no kind says so by name to the
definitions that use it, and to nobody else."""

import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from orchestrator_mounts.bind import Bind
from orchestrator_networks.bridge import Bridge
from orchestrator_networks.container import ContainerNetwork
from orchestrator_networks.host import HostNetwork
from orchestrator_networks.none import NoNetwork

from orchestrator.model.registry import Group, Registry, Unusable
from orchestrator.system import entrypoints
from orchestrator.system.entrypoints import Listed, list_installed, load_registry

KIND = """
from typing import ClassVar
from attrs import frozen
from orchestrator.plugin import Change, Contribution, option

@frozen(kw_only=True)
class Kind:
    type: ClassVar[str] = "odd"
    size: int = option(default=1, doc="How much.", change=Change.REPLACE, example="1")
    def questions(self):
        return ()
    def contribute(self, use, facts):
        return Contribution()
"""

ASKS, GIVES = "questions(self)", "contribute(self, use, facts)"
ATTACHES, DETACHES = "attach(work, container, host)", "detach(work, state, container, host)"
SIZE = 'option(default=1, doc="How much.", change=Change.REPLACE, example="1")'

Install = Callable[..., Listed]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a distribution on the path: its text of a module, its entry points by group; lists what is installed."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)

    def put(module: str, text: str, name: str = "odd", *, project: str = "acme-kinds", points: str = "") -> Listed:
        (folder / f"{module}.py").write_text(dedent(text))
        info = folder / f"{project.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.2\n\nName: not this\n")
        points = points or f"[orchestrator.mounts]\n{name} = {module}:Kind\n"
        (info / "entry_points.txt").write_text(points)
        return list_installed()

    yield put
    for module in set(sys.modules) - before:
        del sys.modules[module]


def reason(registry: Registry, name: str = "odd") -> str:
    found = registry.find(Group.MOUNTS, name)
    assert isinstance(found, Unusable), found
    return found.reason


def test_the_built_in_kinds_come_through_the_door_and_are_loaded_when_they_are_named() -> None:
    registry = load_registry()
    assert not [lazy for group in registry.lazy.values() for lazy in group.values() if lazy.loaded is not None]
    assert registry.find(Group.MOUNTS, "bind") is Bind
    networks = registry.of(Group.NETWORKS)
    assert (networks["none"], networks["host"], networks["container"]) == (NoNetwork, HostNetwork, ContainerNetwork)
    assert networks["bridge"] is Bridge
    assert registry.origin_of(Group.MOUNTS, "bind").builtin
    assert not registry.unusable_of(Group.MOUNTS)


def test_a_kind_of_another_package_is_found_and_says_where_it_is_from(install: Install) -> None:
    registry = load_registry(install("acme_good", KIND))
    kind = registry.find(Group.MOUNTS, "odd")
    assert isinstance(kind, type), kind
    assert kind.__module__ == "acme_good"
    assert str(registry.origin_of(Group.MOUNTS, "odd")) == "acme-kinds 1.2"
    assert not registry.origin_of(Group.MOUNTS, "odd").builtin


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((f"def {GIVES}", "def contribute(self, use)"), f"expected {GIVES}, found contribute(self, use)"),
        ((f"def {ASKS}", "def questions(self, facts)"), f"expected {ASKS}, found questions(self, facts)"),
        (("    def questions(self):\n        return ()\n", ""), f"expected {ASKS}, found no questions"),
        (("    def contribute", "    async def contribute"), f"expected {GIVES}, found async {GIVES}"),
        (("    def contribute", "    @staticmethod\n    def contribute"), f"expected {GIVES}, found a staticmethod"),
        (('"odd"', '"even"'), "expected type: ClassVar[str] = \"odd\", found type = 'even' in Kind"),
        (('    type: ClassVar[str] = "odd"\n', ""), 'expected type: ClassVar[str] = "odd", found no type in Kind'),
        (("@frozen(kw_only=True)\n", ""), "expected an attrs class, found Kind without @frozen"),
        (("size: int = option(", "size: bytes = option("), "Kind.size: no option can be <class 'bytes'>"),
        (("size: int = option(", "size: 'Nothing' = option("), "NameError: name 'Nothing' is not defined"),
        ((SIZE, "1"), "Kind.size is not declared with option()"),
        (("class Kind:", "class Kin:"), "failed: AttributeError: module 'acme_kinds' has no attribute 'Kind'"),
        (("from typing", "raise SystemExit(3)\nfrom typing"), "failed: SystemExit: 3 (acme_kinds.py, line 2)"),
        (("from typing", "import missing\nfrom typing"), "No module named 'missing' (acme_kinds.py, line 2)"),
        (("from typing", "def ("), "failed: SyntaxError: "),
    ],
)
def test_what_is_no_kind_says_what_was_expected_of_it(install: Install, change: tuple[str, str], why: str) -> None:
    assert change[0] in KIND
    registry = load_registry(install("acme_kinds", KIND.replace(*change)))
    told = reason(registry)
    assert told.startswith('plugin "odd" of acme-kinds 1.2 (orchestrator.mounts: acme_kinds:Kind)'), told
    assert why in told
    assert "\n" not in told
    assert registry.find(Group.MOUNTS, "bind") is Bind


ATTACH = """
    @staticmethod
    def attach(work, container, host):
        return None
    @staticmethod
    def detach(work, state, container, host):
        return None
"""


@pytest.mark.parametrize(
    ("methods", "why"),
    [
        (ATTACH, ""),
        (ATTACH.replace(ATTACHES, "attach(*anything)"), ""),
        (ATTACH.replace("def detach", "def undo"), f"expected {DETACHES} beside attach, found no detach"),
        (ATTACH.replace("(work, state, ", "(work, "), f"expected {DETACHES}, found detach(work, container, host)"),
        (ATTACH.replace("    @staticmethod\n    def attach", "    def attach"), f"a @staticmethod, {ATTACHES}, found"),
    ],
)
def test_what_a_kind_does_on_the_host_is_looked_at_too(install: Install, methods: str, why: str) -> None:
    registry = load_registry(install("acme_attaching", KIND + methods))
    if why:
        assert why in reason(registry)
    else:
        assert isinstance(registry.find(Group.MOUNTS, "odd"), type)


def test_a_plugin_that_hangs_when_it_is_imported_is_left(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrypoints, "IMPORT", 0.2)
    registry = load_registry(install("acme_hangs", "import time\ntime.sleep(1000)\n" + KIND))
    assert reason(registry).endswith("took longer than 0.2 s (acme_hangs.py, line 2)")
    assert "acme_hangs" not in sys.modules


def test_the_kind_of_the_agent_itself_wins(install: Install) -> None:
    registry = load_registry(install("acme_bind", KIND.replace('"odd"', '"bind"'), "bind"))
    assert registry.find(Group.MOUNTS, "bind") is Bind


def test_of_two_packages_with_one_name_neither_counts(install: Install) -> None:
    install("acme_one", KIND)
    registry = load_registry(install("acme_two", KIND, project="other-kinds"))
    told = reason(registry)
    assert told == "2 packages are installed that have it, acme-kinds 1.2 and other-kinds 1.2: uninstall all but one"
    assert "odd" not in registry.names(Group.MOUNTS)


def test_what_cannot_be_read_of_one_package_harms_no_other(install: Install) -> None:
    install("acme_good", KIND)
    points = "[console_scripts]\nx\n[orchestrator.mounts]\nbroken\nodder = acme_bad\n# a comment\n"
    listed = install("acme_bad", KIND, project="bad-kinds", points=points)
    assert listed.notes == ('bad-kinds 1.2 (orchestrator.mounts) announces what is no entry point: "broken"',)
    registry = load_registry(listed)
    assert isinstance(registry.find(Group.MOUNTS, "odd"), type)
    assert reason(registry, "odder").endswith("failed: ValueError: expected package.module:Class")


def test_it_is_listed_as_the_standard_library_lists_it(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("acme_one", KIND)
    listed = install("acme_two", KIND, project="other.kinds")
    known = {
        (entry.group, entry.name, entry.value, entry.dist and entry.dist.name, entry.dist and entry.dist.version)
        for group in Group
        for entry in importlib.metadata.entry_points(group=group.value)
    }
    ours = {(each.group.value, each.name, each.value, each.distribution, each.version) for each in listed.kinds}
    assert ours == known

    class Finder:
        """Somebody's own way to have packages."""

        def find_spec(self, *_: object) -> None: ...
        def find_distributions(self, *_: object) -> list[importlib.metadata.Distribution]:
            return []

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert list_installed() == listed
