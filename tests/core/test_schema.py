"""The JSON Schema takes what the parser takes, and refuses what a schema can refuse."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from orchestrator.core.parse import Parser
from orchestrator.core.scalars import TEXT_HOOKS
from orchestrator.core.schema import make_schema
from orchestrator.core.schema_types import TYPES
from orchestrator.model.definition import Definition
from orchestrator.model.option import options_of
from orchestrator.model.source import Form, Source
from orchestrator.testing.strategies import Table, definition_tables, dump_toml, mount_tables, toml_tables
from tests.core import helpers_kinds
from tests.golden.test_bundles import REGISTRY

PARSER = Parser(REGISTRY)
SCHEMA = make_schema(REGISTRY)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PROBLEMS = Path(__file__).parents[1] / "golden" / "problems"


def fits(table: object) -> bool:
    return bool(VALIDATOR.is_valid(table))


def takes(table: Table) -> bool:
    """Whether the parser takes it, written as TOML."""
    text = "\n".join(f"{dump_toml(key)} = {dump_toml(value)}" for key, value in table.items())
    return isinstance(PARSER.parse(Source("web", "web.toml", text)), Definition)


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@given(definition_tables(mount_tables()))
def test_it_takes_what_is_good(table: Table) -> None:
    assert fits(table), next(VALIDATOR.iter_errors(table)).message


@given(toml_tables())
def test_what_the_parser_takes_it_takes(table: Table) -> None:
    assert fits(table) or not takes(table)


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401 - a schema
    """Every field that is somewhere in a schema."""
    if isinstance(node, Mapping):
        for name, field in node.get("properties", {}).items():
            if "x-change" in field:
                yield f"{path}.{name}", field
        for key, inner in node.items():
            yield from leaves(inner, f"{path}/{key}")
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from leaves(inner, f"{path}/{index}")


def test_every_field_says_all_that_there_is_to_say() -> None:
    found = dict(leaves(SCHEMA))
    assert {path.removeprefix(".") for path in found if "/" not in path} == {
        field.name for field in options_of(Definition)
    }
    for path, field in found.items():
        assert field["description"], path
        assert field["examples"], path
        assert field["x-change"] in ("retune", "update", "replace", "by value", "by field"), path


@pytest.mark.parametrize(
    ("path", "field"), list(leaves(SCHEMA)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_example_and_a_default_are_good(path: str, field: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator({**field, "$defs": SCHEMA["$defs"]})
    for example in field["examples"]:
        validator.validate(example)
    if "default" in field:
        validator.validate(field["default"])


def test_every_type_that_is_text_has_a_schema_of_its_own() -> None:
    assert TYPES.keys() == {wanted for wanted, _ in TEXT_HOOKS}
    names = [name for name, _ in TYPES.values()]
    assert len(set(names)) == len(names)


UNSAID = {
    "duration_out_of_range.toml": "durations are compared by what they mean",
    "half_a_character.json": "a pattern does not see it",
    "key_three_times.json": "it is a matter of the text",
    "key_twice.json": "it is a matter of the text",
    "packages_of_a_host_root.toml": "kinds of roots are not told apart beside other fields",
    "size_below_minimum.toml": "sizes are compared by what they mean",
    "size_too_large.toml": "sizes are compared by what they mean",
    "sockets_together.toml": "which option goes with a port and which with a path is a matter of another's text",
    "sockets_twice.toml": "addresses are compared by what they mean",
    "user_id_too_large.toml": "ids stand within text",
}
"""Problems that a schema cannot see, and why."""


OF_TEXT = re.compile(r"# expect: .*(is the same as|more than [0-9]+ parts|nested too deep|twice)")
"""Problems of how it is written, or of two keys that mean the same."""


def read_table(path: Path) -> Table | None:
    try:
        return tomllib.loads(path.read_text()) if path.suffix == ".toml" else json.loads(path.read_text())
    except ValueError:
        return None


@pytest.mark.parametrize("path", sorted(PROBLEMS.iterdir()), ids=lambda path: path.name)
def test_it_refuses_the_problems_that_a_schema_can_see(path: Path) -> None:
    table = read_table(path)
    if table is None or path.name in UNSAID:
        assert path.name not in UNSAID or fits(table), "the schema sees it by now"
        return
    if re.search(
        r"# expect: [0-9:]+ .*(is the same as|more than [0-9]+ parts|nested too deep|twice)", path.read_text()
    ):
        return  # of the text, or of two keys that mean the same
    assert not fits(table)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"args": []},
        {"args": [""]},
        {"args": ["a"], "cmd": "b"},
        {"args": ["a"], "shell": "/bin/sh"},
        {"bundle": "/b", "env": {}},
        {"args": ["a"], "argz": ["b"]},
        {"args": ["a"], "mounts": {"/proc": {"source": "/x"}}},
        {"args": ["a"], "mounts": {"//./dev/x": {"source": "/x"}}},
        {"args": ["a"], "mounts": {"/./": {"source": "/x"}}},
        {"args": ["a"], "cwd": "/a/../b"},
        {"args": ["a"], "cwd": "a"},
        {"args": ["a"], "restart": {"jitter": 1.5}},
        {"args": ["a"], "restart": {"delay": "1m30"}},
        {"args": ["a"], "restart": {"delay": ""}},
        {"args": ["a"], "restart": {"delay": "1s1m"}},
        {"args": ["a"], "stop": {"signal": "SIGFOO"}},
        {"args": ["a"], "network": {"type": "host", "x": 1}},
        {"args": ["a"], "rootfs": "directory"},
        {"args": ["a"], "env_files": [{"path": "/x", "wacth": True}]},
        {"args": ["a"], "rlimits": {"nofil": 1}},
        {"args": ["a"], "devices": [{"path": "/dev/fuse", "access": "rr"}]},
    ],
    ids=json.dumps,
)
def test_it_refuses(table: Table) -> None:
    assert not fits(table)
    assert not takes(table)


@pytest.mark.parametrize(
    "table",
    [
        {"cmd": "a", "shell": "/bin/sh"},
        {"bundle": "/b", "type": "oneshot"},
        {"args": ["a"], "env_files": ["/x", {"path": "/y", "watch": False}]},
        {"args": ["a"], "rlimits": {"core": 0, "nofile": {"hard": "unlimited", "soft": 5}}},
        {"args": ["a"], "devices": ["/dev/fuse"], "capabilities": {"add": ["NET_ADMIN", "CAP_CHOWN"], "drop": ["ALL"]}},
        {"args": ["a"], "mounts": {"//data/./x/": {"source": "/x"}, "/procs": {"source": "/..x"}}},
        {"args": ["a"], "log": "none", "rootfs": {"type": "host"}},
    ],
    ids=json.dumps,
)
def test_it_takes(table: Table) -> None:
    assert fits(table)
    assert takes(table)


def test_the_kinds_of_plugins_are_in_it() -> None:
    schema = make_schema(helpers_kinds.REGISTRY)
    validator = jsonschema.Draft202012Validator(schema)
    bridge = {"type": "bridge", "name": "lan", "ports": [{"host": 80}], "wait": "1s"}
    assert validator.is_valid({"args": ["a"], "network": bridge})
    assert not validator.is_valid({"args": ["a"], "network": {**bridge, "ports": [{"host": 0}]}})
    assert not validator.is_valid({"args": ["a"], "network": {**bridge, "bridge": "x"}})
    assert validator.is_valid({"args": ["a"], "mounts": {"/tmp": "tmpfs"}})


def test_json_and_toml_are_the_same_to_it() -> None:
    text = '{"args": ["/bin/true"], "restart": {"delay": "1s"}}'
    assert isinstance(PARSER.parse(Source("web", "web.json", text, form=Form.JSON)), Definition)
    assert fits(json.loads(text))
