"""Definition files that carry their expectations as comments; a bug becomes a test by dropping in a file.

    # expect: PATH = JSON        the value at PATH of config.json is just this
    # expect: PATH has JSON      the list at PATH has this item
    # expect: PATH lacks JSON    it has not
    # expect: PATH missing       there is nothing at PATH
    # entry: PATH folder|file|link|none     what the skeleton has at PATH
    # entry: PATH link TARGET    a link that leads there
    # line: PATH LINE            the file that the skeleton has at PATH has this line
    # keep: PATH                 this store path is kept from the garbage collector, and all that are kept are written
    # fault: PATH: MESSAGE       the definition has this fault, and all that it has are written
    # hint: FRAGMENT             the hint of one of the faults has this in it

PATH is as in `process.user.uid` or `mounts[/data].options`: a list of tables is looked into by destination, type or
index. The world that the files meet is the made-up one of `tests.core.helpers_world`.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from orchestrator_networks.bridge import Bridge
from orchestrator_networks.cni import CniNetwork
from orchestrator_networks.container import ContainerNetwork
from orchestrator_networks.host import HostNetwork
from orchestrator_networks.none import NoNetwork
from orchestrator_networks.path import PathNetwork

from orchestrator.core.parse import parse_definition
from orchestrator.core.render import render_bundle, render_instance
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.definition import Definition
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.problem import dotted
from orchestrator.model.registry import Group, Registry
from orchestrator.model.source import Source
from orchestrator.model.spec import SkeletonRoot
from tests.core.helpers_world import assert_valid, instance_of, learn
from tests.golden.test_golden import MOUNTS
from tests.plugins.helpers_exec import make_kind

FILES = sorted((Path(__file__).parent / "bundles").glob("*.toml"))

NETWORKS = (NoNetwork, HostNetwork, ContainerNetwork, PathNetwork, CniNetwork, Bridge)
KINDS: dict[Group, dict[str, type[Any]]] = {
    Group.MOUNTS: {**MOUNTS, "disk": make_kind()},
    Group.NETWORKS: {kind.type: kind for kind in NETWORKS},
}
REGISTRY = Registry(KINDS)
"""All built-in kinds, and one that is a program."""

COMMENT = re.compile(r"# (expect|entry|line|keep|fault|hint): (.*)")
EXPECTATION = re.compile(r"(\S+) (?:(=|has|lacks) (.*)|missing)")
STEP = re.compile(r"\[([^]]*)\]|([^.[]+)")
MISSING = object()


@pytest.mark.parametrize("file", FILES, ids=[path.stem for path in FILES])
def test_a_bundle_is_as_its_file_says(file: Path) -> None:
    text = file.read_text()
    comments = [match.groups() for match in map(COMMENT.fullmatch, text.splitlines()) if match]
    assert comments, f"{file} expects nothing"
    name = file.stem
    definition = parse_definition(Source(name, file.name, text), REGISTRY)
    assert isinstance(definition, Definition), definition
    spec = resolve_spec(name, definition, learn(name, definition))
    wanted = {each: [rest for kind, rest in comments if kind == each] for each in ("fault", "hint", "keep")}
    if isinstance(spec, tuple):
        assert sorted(f"{dotted(fault.path)}: {fault.message}" for fault in spec) == sorted(wanted["fault"])
        for fragment in wanted["hint"]:
            assert any(fragment in fault.hint for fault in spec), [fault.hint for fault in spec]
        return
    bundle = render_bundle(spec)
    config = json.loads(render_instance(instance_of(bundle, definition.resources)))
    assert_valid(config)
    entries: dict[str, Entry] = {}
    if isinstance(bundle.root, SkeletonRoot):
        entries = {entry.path: entry for entry in bundle.root.entries}
    assert wanted["fault"] + wanted["hint"] == [], "it has no faults"
    if wanted["keep"]:
        assert bundle.store is not None
        assert list(bundle.store.paths) == wanted["keep"]
    for kind, rest in comments:
        match kind:
            case "expect":
                check(config, rest)
            case "entry":
                check_entry(entries, rest)
            case "line":
                path, _, line = rest.partition(" ")
                entry = entries[path]
                assert isinstance(entry, FileEntry)
                assert line in entry.text.splitlines(), entry.text


def check_entry(entries: Mapping[str, Entry], expectation: str) -> None:
    path, kind, *target = expectation.split(" ")
    entry = entries.get(path)
    kinds = {FolderEntry: "folder", FileEntry: "file", LinkEntry: "link", type(None): "none"}
    assert kinds[type(entry)] == kind, expectation
    if target:
        assert isinstance(entry, LinkEntry)
        assert [entry.target] == target, expectation


def check(config: dict[str, Any], expectation: str) -> None:
    match = EXPECTATION.fullmatch(expectation)
    assert match, f"not an expectation: {expectation}"
    path, verb, wanted = match.groups()
    found = look_up(config, path)
    if verb is None:
        assert found is MISSING, expectation
    elif verb == "=":
        assert found == json.loads(wanted), expectation
    else:
        assert isinstance(found, list), expectation
        assert (json.loads(wanted) in found) is (verb == "has"), expectation


def look_up(value: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    for item, key in STEP.findall(path):
        if isinstance(value, dict):
            value = value.get(key, MISSING)
        elif isinstance(value, list) and item.isdecimal():
            value = value[int(item)] if int(item) < len(value) else MISSING
        elif isinstance(value, list):
            value = next((each for each in value if item in (each.get("destination"), each.get("type"))), MISSING)
        else:
            return MISSING
    return value


def test_there_are_files() -> None:
    assert FILES


def test_the_runner_can_fail() -> None:
    for wrong in ("a = 2", "a missing", "b has 3", "b lacks 1", "c[/x].d = 1", "c[/y] = {}"):
        with pytest.raises(AssertionError):
            check({"a": 1, "b": [1], "c": [{"destination": "/x"}]}, wrong)
    for wrong in ("/a file", "/a none", "/b folder", "/a link /c"):
        with pytest.raises(AssertionError):
            check_entry({"/a": LinkEntry("/a", "/b")}, wrong)
