"""The converter by itself: exact types, values that TOML does not have, and kinds that are not made as told."""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import frozen
from hypothesis import event, given, settings

from orchestrator.core.converter import make_converter
from orchestrator.core.foreign import DEFECT
from orchestrator.core.parse import parse_definition
from orchestrator.core.reject import Rejected
from orchestrator.model.definition import Definition
from orchestrator.model.problem import Fault
from orchestrator.model.registry import Group, Origin, Registry, Unusable
from orchestrator.model.resources import Resources
from orchestrator.model.source import Source
from orchestrator.plugin import Change, option
from orchestrator.testing import strategies
from tests.core.helpers_kinds import REGISTRY, Mode

CONVERTER = make_converter(REGISTRY)


def test_null_is_no_value() -> None:
    with pytest.raises(Rejected) as caught:
        CONVERTER.structure({"args": ["a"], "hostname": None, "cwd": None}, Definition)
    assert [(fault.path, fault.hint) for fault in caught.value.faults] == [
        (("hostname",), "leave it away"),
        (("cwd",), "leave it away"),
    ]


def test_without_plugins_there_are_no_kinds() -> None:
    text = 'args = ["a"]\nnetwork = "host"\nmounts."/a".source = "/b"\n'
    faults = parse_definition(Source("web", "web.toml", text), Registry())
    assert isinstance(faults, tuple)
    assert [fault.message for fault in faults] == [
        'unknown kind of network "host": none is installed',
        'missing key "type": it says the kind of mount',
    ]


class Level(int, Enum):
    """An enum whose values are no strings."""

    LOW = 1


@pytest.mark.parametrize(
    "wanted", [Level, bytes, Path, Any, tuple[str, int], tuple[str, str], list[str], str | int, object, complex]
)
def test_an_option_that_no_file_can_hold_is_the_authors_mistake(wanted: Any) -> None:  # noqa: ANN401 - a type
    kind = attrs.make_class(
        "Kind", {"strange": attrs.field(type=wanted, metadata=_metadata())}, frozen=True, kw_only=True
    )
    [fault] = parse_with("odd", kind)
    assert fault.path == ("network", "type")
    assert fault.message.startswith('the network kind "odd" cannot be used: Kind.strange: ')
    assert fault.hint == DEFECT


def _metadata() -> Mapping[str, Any]:
    return dict(attrs.fields(Resources).memory.metadata)


def test_a_kind_must_be_made_of_options() -> None:
    @frozen
    class Plain:
        source: str

    @frozen
    class Typed:
        type: str = option(default="", doc="", change=Change.REPLACE)

    class NoAttrs:
        pass

    for kind, message in ((Plain, "option()"), (Typed, 'option "type"'), (NoAttrs, "not an attrs class")):
        [fault] = parse_with("odd", kind)
        assert message in fault.message


@frozen(kw_only=True)
class Picky:
    """A kind whose own checks raise whatever it is told."""

    why: str = option(doc="What to raise.", change=Change.REPLACE, example='"ValueError"')

    def __attrs_post_init__(self) -> None:
        raise {each.__name__: each for each in (ValueError, RuntimeError, SystemExit)}[self.why]("two\nlines")

    def questions(self) -> tuple[()]:
        return ()

    def contribute(self, use: object, facts: object) -> None:
        raise AssertionError("it cannot even be made")


@pytest.mark.parametrize(
    ("why", "message"),
    [
        ("ValueError", "two lines"),  # a mistake of the user, as attrs validators tell it
        ("RuntimeError", 'the network kind "odd" failed: RuntimeError: two lines (test_converter.py, line '),
        ("SystemExit", 'the network kind "odd" failed: SystemExit: two lines (test_converter.py, line '),
        ("Nothing", "the network kind \"odd\" failed: KeyError: 'Nothing' (test_converter.py, line "),
    ],
)
def test_whatever_a_kind_raises_when_it_is_made_is_a_fault_of_its_table(why: str, message: str) -> None:
    [fault] = parse_with("odd", Picky, f'network.why = "{why}"\n')
    assert fault.path == ("network",)
    assert fault.message.startswith(message)


def test_a_kind_that_cannot_be_used_says_why_and_an_unknown_one_what_may_have_it() -> None:
    origin = Origin(distribution="acme", version="1")
    registry = REGISTRY.with_unusable(Group.NETWORKS, "odd", Unusable(reason="plugin of acme: no", origin=origin))
    for text, path in (('network = "odd"', ("network",)), ('network.type = "odd"', ("network", "type"))):
        faults = parse_definition(Source("web", "web.toml", f'args = ["a"]\n{text}\n'), registry)
        assert faults == (Fault(path, 'the network kind "odd" cannot be used: plugin of acme: no'),)
    registry = attrs.evolve(REGISTRY, unread=("plugins/a.py",))
    faults = parse_definition(Source("web", "web.toml", 'args = ["a"]\nnetwork = "odd"\n'), registry)
    assert isinstance(faults, tuple)
    assert faults[0].hint == "what plugins/a.py may have is not loaded"


def parse_with(name: str, kind: type[Any], more: str = "") -> tuple[Fault, ...]:
    """The faults of a definition that uses a kind; the same file without it has none."""
    registry = REGISTRY.with_kind(Group.NETWORKS, name, kind)
    text = 'args = ["a"]\nmounts."/a".source = "/b"\n'
    assert isinstance(parse_definition(Source("web", "web.toml", text), registry), Definition)
    faults = parse_definition(Source("web", "web.toml", f'{text}network.type = "{name}"\n{more}'), registry)
    assert isinstance(faults, tuple)
    return faults


def test_every_type_that_a_kind_may_use_is_exact() -> None:
    good: list[tuple[Any, Any]] = [(str, "a"), (bool, True), (int, 1), (float, 1.5), (Mode, "fast")]
    bad: list[tuple[Any, Any]] = [(str, 1), (bool, 1), (int, True), (int, 1.0), (float, True), (float, "1")]
    for wanted, value in good:
        assert CONVERTER.structure(value, wanted) == value
    for wanted, value in bad:
        with pytest.raises(Rejected):
            CONVERTER.structure(value, wanted)


@given(strategies.definition_tables())
def test_good_definitions_are_read(table: strategies.Table) -> None:
    definition = CONVERTER.structure(table, Definition)
    assert definition.args == (tuple(table["args"]) if "args" in table else None)
    assert definition.cmd == table.get("cmd")
    assert set(definition.mounts) == set(table.get("mounts", ()))


@given(strategies.toml_values())
@settings(max_examples=300)
def test_any_value_is_structured_or_rejected(value: object) -> None:
    try:
        definition = CONVERTER.structure(value, Definition)
    except Rejected:
        event("rejected")
    else:
        assert isinstance(definition, Definition)
