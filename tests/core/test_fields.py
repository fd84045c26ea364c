"""What a definition asks for as data, and what the differences of two mean."""

import json
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given

from orchestrator.core.fields import LONGEST_VALUE, classify, classify_path, describe_fields, describe_whole
from orchestrator.core.parse import Parser
from orchestrator.model.action import FieldChange
from orchestrator.model.definition import Definition
from orchestrator.model.option import Change
from orchestrator.model.problem import dotted
from orchestrator.model.registry import Group
from orchestrator.model.source import Source
from orchestrator.model.types import MountPath
from orchestrator.plugin import option
from orchestrator.testing.strategies import definition_tables, dump_toml, mount_tables, toml_texts
from tests.core.helpers_kinds import REGISTRY, BindLike, TmpfsLike
from tests.core.test_model import OPTIONS
from tests.golden.test_bundles import REGISTRY as BUILT_IN

PARSERS = {registry: Parser(kinds) for registry, kinds in (("tests", REGISTRY), ("built-in", BUILT_IN))}


def parse(text: str, registry: str = "built-in") -> Definition:
    """A definition of this text."""
    result = PARSERS[registry].parse(Source("web", "web.toml", text))
    assert isinstance(result, Definition), result
    return result


def read(text: str) -> Definition:
    """A definition of this text, with a command unless it has one."""
    if "args" not in text and "cmd" not in text:
        text = f'args = ["/bin/true"]\n{text}'
    return parse(text, "tests")


def fields_of(text: str, digests: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    fields = describe_fields(read(text), REGISTRY, digests)
    if "args" not in text:
        fields.pop("args", None)
    return fields


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('args = ["sh", "-c", "true"]', {"args": ["sh", "-c", "true"]}),
        ("", {}),
        ('cwd = "/"\nreadonly = false', {"readonly": False}),
        ('env = { LANG = "C", "a.b" = "x" }', {"env.LANG": "C", 'env."a.b"': "x"}),
        ("resources.memory = 268435456", {"resources.memory": "256M"}),
        ("resources.memory = 300000001", {"resources.memory": 300000001}),
        ('restart = { delay = "90s", on_failure = "stop" }', {"restart.delay": "1m30s", "restart.on_failure": "stop"}),
        ('restart.delay = "100ms"', {}),
        ('rootfs = "host"', {"rootfs.type": "host"}),
        ('rootfs = { type = "directory", path = "/srv" }', {"rootfs.type": "directory", "rootfs.path": "/srv"}),
        (
            'mounts."/data" = { source = "/srv", options = ["ro"] }',
            {
                'mounts."/data".type': "bind",
                'mounts."/data".source': "/srv",
                'mounts."/data".options': ["ro"],
            },
        ),
        (
            'mounts."/t" = { type = "tmpfs", size = "1M" }',
            {'mounts."/t".type': "tmpfs", 'mounts."/t".size': "1M"},
        ),
        (
            'network = { type = "bridge", name = "lan", ports = [{ host = 80, container = 8080 }], wait = "1s" }',
            {
                "network.type": "bridge",
                "network.name": "lan",
                "network.ports": [{"host": 80, "container": 8080}],
                "network.wait": "1s",
            },
        ),
    ],
)
def test_what_is_not_the_default(text: str, fields: dict[str, Any]) -> None:
    assert fields_of(text) == fields


def test_the_default_kind_of_a_field_is_not_named_and_its_options_are() -> None:
    assert fields_of('log = "file"') == {}
    assert fields_of('log.type = "file"\nlog.max_size = "1M"') == {"log.max_size": "1M"}
    assert fields_of('log = "journal"') == {"log.type": "journal"}


def test_what_is_not_a_number_or_a_text_is_as_a_file_has_it() -> None:
    text = 'umask = "0027"\nrlimits = { core = "unlimited", nofile = { soft = 1, hard = 2 } }\ndevices = ["/dev/fuse"]'
    assert fields_of(text) == {
        "umask": "0027",
        "rlimits.core.hard": "unlimited",
        "rlimits.nofile.hard": 2,
        "rlimits.nofile.soft": 1,
        "devices": [{"path": "/dev/fuse"}],
    }


def test_files_of_variables_are_told_by_their_digests() -> None:
    text = 'env_files = ["/etc/a", { path = "/etc/b", watch = false }, "/etc/c"]'
    digests = {"/etc/a": "0123456789abcdef", "/etc/b": "f" * 64, "/etc/c": None}
    assert fields_of(text, digests) == {
        "env_files": [
            {"path": "/etc/a", "digest": "0123456789ab"},
            {"path": "/etc/b", "watch": False},
            {"path": "/etc/c"},
        ]
    }


def test_a_kind_is_called_by_the_name_that_it_is_registered_by() -> None:
    """Its class need not name itself, and may call itself something else."""

    @attrs.frozen(kw_only=True)
    class Odd(TmpfsLike):
        """A mount that has another name in its class."""

        type = "itself"

    registry = REGISTRY.with_kind(Group.MOUNTS, "odd", Odd)
    definition = attrs.evolve(read(""), mounts={MountPath("/a"): TmpfsLike(), MountPath("/b"): Odd()})
    fields = describe_fields(definition, registry)
    assert (fields['mounts."/a".type'], fields['mounts."/b".type']) == ("tmpfs", "odd")


def test_long_values_are_told_apart_by_a_digest() -> None:
    first, second = (fields_of(f'cmd = "{"x" * LONGEST_VALUE}{end}"')["cmd"] for end in "ab")
    assert first != second
    assert len(first) < LONGEST_VALUE / 2
    assert first.startswith("x" * 100)
    assert fields_of(f"args = {['/bin/true', *['y' * 100] * 100]}")["args"].startswith('["/bin/true","yyy')


@given(toml_texts(definition_tables(mount_tables())))
def test_the_fields_make_the_definition_again(text: str) -> None:
    """Nothing that a file says is missing, and everything is written as a file has it."""
    definition = parse(text)
    fields = describe_fields(definition, BUILT_IN)
    assert json.loads(json.dumps(fields)) == fields
    if "log.max_size" in fields:
        fields["log.type"] = "file"  # the default's kind, which a file must name
    written = "\n".join(f"{path} = {dump_toml(value)}" for path, value in fields.items())
    assert parse(written) == definition


@given(toml_texts(definition_tables(mount_tables())))
def test_a_whole_definition_has_every_key(text: str) -> None:
    definition = parse(text)
    table = describe_whole(definition, BUILT_IN)
    assert json.loads(json.dumps(table)) == table
    assert set(table) == {field.alias for field in attrs.fields(Definition)}
    if definition.cmd is None:
        del table["shell"]  # which nobody may write who has no use for it
    assert parse(dump_toml_table(without_nulls(table))) == definition


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - JSON data
    """A table without the keys whose value is null, which no file can have."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def dump_toml_table(table: dict[str, Any]) -> str:
    return "\n".join(f"{dotted([key])} = {dump_toml(value)}" for key, value in table.items())


@pytest.mark.parametrize(
    ("path", "cls", "declared"), OPTIONS, ids=[f"{cls.__name__}.{path[-1]}" for path, cls, _ in OPTIONS]
)
def test_every_leaf_of_the_model_has_a_class(
    path: tuple[str, ...], cls: type[Any], declared: "attrs.Attribute[Any]"
) -> None:
    if declared.metadata["change"] is not Change.BY_FIELD:
        assert classify_path(dotted(path), BUILT_IN) is declared.metadata["change"]


@attrs.frozen(kw_only=True)
class Tunable(BindLike):
    """A mount one of whose options changes nothing that runs."""

    label: str = option(default="", doc="For people.", change=Change.RETUNE, example='"x"')


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("env.LANG", Change.REPLACE),
        ('annotations."org.example.\\"team"', Change.REPLACE),
        ("log.type", Change.REPLACE),
        ("log.max_size", Change.RETUNE),
        ("rootfs.type", Change.REPLACE),
        ("rlimits.nofile.soft", Change.REPLACE),
        ("resources.memory", Change.UPDATE),
        ("restart.delay", Change.RETUNE),
        ("stop.signal", Change.RETUNE),
        ("type", Change.RETUNE),
        ('mounts."/data".type', Change.REPLACE),
        ('mounts."/data".source', Change.REPLACE),
        ('mounts."/data".label', Change.RETUNE),
        ("network.type", Change.REPLACE),
        ("network.name", Change.REPLACE),
        ("network.of_a_plugin_that_is_gone", Change.REPLACE),
        ("of_a_later_version", Change.REPLACE),
        ("host:process.env.HOME", Change.REPLACE),
    ],
)
def test_the_class_of_a_path(path: str, change: Change) -> None:
    registry = REGISTRY.with_kind(Group.MOUNTS, "tunable", Tunable)
    assert classify_path(path, registry) is change
    assert classify([FieldChange(path, None, 1)], registry) is change


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (None, "healthy", Change.RETUNE),
        ("healthy", None, Change.RETUNE),
        (None, "notify", Change.REPLACE),
        ("notify", "healthy", Change.REPLACE),
        ("healthy", "notify", Change.REPLACE),
    ],
)
def test_a_class_may_depend_on_the_values(old: str | None, new: str | None, change: Change) -> None:
    assert classify_path("ready", BUILT_IN) is Change.BY_VALUE
    assert classify([FieldChange("ready", old, new)]) is change


def test_the_strongest_class_counts() -> None:
    changes = [FieldChange(path, None, 1) for path in ("restart.delay", "resources.memory", "cwd")]
    assert [classify(changes[:count]) for count in range(4)] == [None, Change.RETUNE, Change.UPDATE, Change.REPLACE]
