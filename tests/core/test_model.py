"""A walk over the model: what every option must declare, so that parser, planner and reference page have all of it."""

import tomllib
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import attrs
import pytest

from orchestrator.core.parse import Parser
from orchestrator.core.reject import Rejected
from orchestrator.core.tables import make_table_hook, required_options
from orchestrator.model.definition import Definition
from orchestrator.model.option import Change, options_of
from orchestrator.model.rootfs import ROOTFS_KINDS
from orchestrator.model.source import Source
from tests.core.helpers_kinds import REGISTRY


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
    assert set(ROOTFS_KINDS.values()) <= found
    assert {"Definition", "Resources", "Restart", "Stop"} <= {cls.__name__ for cls in found}


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
    holds_options = any(
        attrs.has(part) and part not in ROOTFS_KINDS.values() for part in _parts(get_type_hints(cls)[declared.name])
    )
    assert (metadata["change"] is Change.BY_FIELD) == holds_options


def _parts(wanted: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type
    return (wanted, *get_args(wanted))


@pytest.mark.parametrize(("path", "cls", "declared"), OPTIONS, ids=IDS)
def test_an_example_is_good(path: tuple[str, ...], cls: type[Any], declared: "attrs.Attribute[Any]") -> None:
    lines = [] if path == ("args",) else ['args = ["/bin/true"]']
    if path[0] == "rootfs" and len(path) > 1:
        name = next(name for name, kind in ROOTFS_KINDS.items() if kind is cls)
        lines.append(f'rootfs.type = "{name}"')
    lines.append(f"{'.'.join(path)} = {declared.metadata['example']}")
    result = Parser(REGISTRY).parse(Source("web", "web.toml", "\n".join(lines)))
    assert isinstance(result, Definition), result


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
