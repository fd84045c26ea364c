"""A walk over the model: what every option must declare, so that parser, planner and reference page have all of it."""

import tomllib
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import pytest

from orchestrator.core.parse import Parser
from orchestrator.core.reject import Rejected
from orchestrator.core.tables import make_table_hook, required_options
from orchestrator.model.definition import Definition
from orchestrator.model.health import HEALTH_KINDS
from orchestrator.model.log import LOG_KINDS
from orchestrator.model.option import Change, options_of
from orchestrator.model.rootfs import ROOTFS_KINDS
from orchestrator.model.source import Source
from tests.core.helpers_kinds import REGISTRY

KINDS = (*ROOTFS_KINDS.values(), *LOG_KINDS.values(), *HEALTH_KINDS.values())


def walk_classes(cls: type[Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[Any]]]:
    """Every options class below ``cls`` (itself included) with the path of its table; kinds of plugins left out."""
    yield prefix, cls
    for declared in options_of(cls):
        wanted = get_type_hints(cls)[declared.name]
        for part in (wanted, *get_args(wanted)):
            if attrs.has(part):
                yield from walk_classes(part, (*prefix, declared.name))


CLASSES = list(walk_classes(Definition))
OPTIONS = [((*path, declared.name), cls, declared) for path, cls in CLASSES for declared in options_of(cls)]
IDS = [f"{cls.__name__}.{path[-1]}" for path, cls, _ in OPTIONS]


def test_the_walk_finds_the_classes() -> None:
    found = {cls for _, cls in CLASSES}
    assert set(KINDS) <= found
    assert {"Definition", "Device", "EnvFile", "Resources", "Restart", "Rlimit", "Stop"} <= {
        cls.__name__ for cls in found
    }


@pytest.mark.parametrize(("path", "cls", "declared"), OPTIONS, ids=IDS)
def test_an_option_declares_all_that_is_needed(
    path: tuple[str, ...], cls: type[Any], declared: "attrs.Attribute[Any]"
) -> None:
    metadata = declared.metadata
    assert metadata["doc"].strip().endswith(".")
    assert isinstance(metadata["change"], Change)
    assert metadata["example"]
    minimum, maximum = metadata["minimum"], metadata["maximum"]
    if minimum is not None and maximum is not None:
        assert minimum <= maximum
    assert (metadata["change"] is Change.BY_FIELD) == _is_table(get_type_hints(cls)[declared.name])


def _is_table(wanted: Any) -> bool:  # noqa: ANN401 - a type
    """Whether a field is one table, whose fields say what a change does. A list of tables, a table of tables and a kind
    say it as a whole."""
    one_of = get_args(wanted) if get_origin(wanted) is UnionType else (wanted,)
    return any(attrs.has(part) and part not in KINDS for part in one_of)


@pytest.mark.parametrize(("path", "cls", "declared"), OPTIONS, ids=IDS)
def test_an_example_is_good(path: tuple[str, ...], cls: type[Any], declared: "attrs.Attribute[Any]") -> None:
    runs = {"args": "", "cmd": "", "bundle": "", "shell": 'cmd = "true"\n'}
    command = runs.get(path[0], 'args = ["/bin/true"]\n')
    result = Parser(REGISTRY).parse(Source("web", "web.toml", command + write_example(path, cls, declared)))
    assert isinstance(result, Definition), result


NEEDED = {
    **{key: {"stream": '"/run/web.sock"'} for key in ("Socket.mode", "Socket.owner")},
    **{key: {"stream": '"0.0.0.0:80"'} for key in ("Socket.backlog", "Socket.reuse_port", "Socket.nonblocking")},
}
"""What an option stands with, where that is one of several."""


def write_example(path: tuple[str, ...], cls: type[Any], declared: "attrs.Attribute[Any]") -> str:
    """The example of an option in a file: by itself, or in a table of its class with all that it needs."""
    example = declared.metadata["example"]
    if len(path) == 1:
        return f"{path[0]} = {example}"
    kind = {"type": f'"{cls.type}"'} if cls in KINDS else {}
    needed = NEEDED.get(f"{cls.__name__}.{declared.name}", {})
    options = {**kind, **required_options(cls), **needed, declared.name: example}
    table = f"{{ {', '.join(f'{key} = {value}' for key, value in options.items())} }}"
    holder = get_origin(get_type_hints(Definition)[path[0]])
    if holder is tuple:
        table = f"[{table}]"
    elif holder is Mapping:
        (whole,) = (known.metadata["example"] for known in options_of(Definition) if known.name == path[0])
        table = f"{{ {next(iter(tomllib.loads(f'x = {whole}')['x']))} = {table} }}"
    return f"{path[0]} = {table}"


def test_an_example_stands_in_a_table_with_all_that_it_needs() -> None:
    written = {(cls.__name__, path[-1]): write_example(path, cls, declared) for path, cls, declared in OPTIONS}
    assert written["Device", "access"] == 'devices = [{ path = "/dev/fuse", access = "r" }]'
    assert written["Rlimit", "soft"] == "rlimits = { core = { hard = 4096, soft = 1024 } }"
    assert written["FileLog", "max_size"] == 'log = { type = "file", max_size = "64M" }'


@pytest.mark.parametrize("cls", dict.fromkeys(cls for _, cls in CLASSES), ids=lambda cls: cls.__name__)
def test_a_class_is_documented_frozen_and_its_defaults_are_in_range(cls: type[Any]) -> None:
    assert cls.__doc__
    instance = cls(**dict.fromkeys(required_options(cls)))
    for declared in options_of(cls):
        value = getattr(instance, declared.name)
        minimum, maximum = declared.metadata["minimum"], declared.metadata["maximum"]
        if isinstance(value, int | float):
            assert minimum is None or minimum <= value
            assert maximum is None or value <= maximum
    if options := list(options_of(cls)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(instance, options[0].name, None)


@pytest.mark.parametrize(
    "kind",
    [kind for _, _, kind in REGISTRY],
    ids=[f"{group.name.lower()}-{name}" for group, name, _ in REGISTRY],
)
def test_the_examples_of_a_kind_are_toml(kind: type[Any]) -> None:
    for declared in options_of(kind):
        tomllib.loads(f"x = {declared.metadata['example']}")


def test_a_hook_is_made_of_the_class_alone() -> None:
    hook = make_table_hook(ROOTFS_KINDS["host"], lambda wanted: pytest.fail(f"asked for {wanted}"))
    assert hook({}, None) == ROOTFS_KINDS["host"]()
    with pytest.raises(Rejected):
        hook({"x": 1}, None)
