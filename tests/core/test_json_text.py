"""JSON texts to plain values: strict, with the places of what Python's own reader has none for."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.json_text import is_json, read_json
from orchestrator.core.locate import locate_faults
from orchestrator.core.parse import Parser
from orchestrator.core.shape import LARGEST_TEXT, MOST_NESTED
from orchestrator.model.definition import Definition
from orchestrator.model.place import Place
from orchestrator.model.problem import At, Fault
from orchestrator.model.source import Form, Source
from orchestrator.testing import strategies
from tests.core.helpers_kinds import REGISTRY

PARSER = Parser(REGISTRY)


def parse(text: str) -> Definition | tuple[Fault, ...]:
    return PARSER.parse(Source("web", "web.json", text, form=Form.JSON))


def refuse(text: str) -> tuple[Fault, ...]:
    result = read_json(text)
    assert isinstance(result, tuple), result
    assert result
    return result


def test_a_definition() -> None:
    assert parse('{"args": ["/bin/true", "größe"]}') == Definition(args=("/bin/true", "größe"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": ' + "[" * MOST_NESTED, Place(1, 6 + MOST_NESTED)),
        ('{"a":\n ' + '{"b": ' * MOST_NESTED, Place(2, 2 + 6 * (MOST_NESTED - 1))),
        ("[" * LARGEST_TEXT, Place(1, MOST_NESTED + 1)),
    ],
)
def test_what_is_nested_too_deep_is_refused_at_the_bracket(text: str, place: Place) -> None:
    (fault,) = refuse(text)
    assert fault.message == "lists or tables are nested too deep: 16 within each other are the most"
    assert fault.place == place
    assert not is_json(text)


def test_brackets_in_strings_and_beside_each_other_are_not_nested() -> None:
    text = json.dumps({"a": "[" * 100, "{" * 100: [[]] * 100, '\\"' + "[" * 99: "\\"})
    assert read_json(text) == json.loads(text)


def test_the_size_counts_in_bytes() -> None:
    assert read_json("{}" + " " * (LARGEST_TEXT - 2)) == {}
    (fault,) = refuse('{"' + "é" * (LARGEST_TEXT // 2) + '": 1}')
    assert fault == Fault((), "the file is larger than 64 KiB, the limit", place=Place(1, 1))


def test_a_key_twice_is_found_wherever_it_is() -> None:
    text = '{"a": {"b": [1, {"c": 1, "c": 2, "\\u0063": 3}]}, "d": {"e": 1, "e": 1}, "a": [{"f": 1, "f": 2}]}'
    faults = refuse(text)
    # What the first "a" holds is gone with it.
    assert [(fault.path, fault.at) for fault in faults] == [
        (("a",), At.KEY),
        (("a", 0, "f"), At.KEY),
        (("d", "e"), At.KEY),
    ]
    (fault,) = refuse('{"b": [1, {"c": 1, "\\u0063": 3}]}')
    assert (fault.path, fault.message) == (("b", 1, "c"), 'the key "c" is written twice')


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ('{"a": NaN}', 7),
        ('{"Infinity": Infinity}', 14),
        ('{"a": -Infinity}', 7),
        ('{"a": [1, 2e400]}', 11),
        ('{"a": -1e309}', 7),
        ('{"a": ' + "9" * 309 + "}", 7),
        ('{"a": ' + "9" * 20_000 + "}", 7),
        ('{"a": "\\ud800"}', 7),
        ('{"\\udfff": 1}', 2),
        ('{"NaN": "1e999", "a": Infinity}', 23),
    ],
)
def test_what_nothing_can_hold_is_refused_where_it_stands(text: str, column: int) -> None:
    (fault,) = refuse(text)
    assert fault.place == Place(1, column)


@pytest.mark.parametrize(
    "text", ['{"a": "NaN", "-Infinity": "1e999 \\\\ud800 \\ud83d\\ude00"}', '{"a": 1e308, "b": -0}']
)
def test_what_only_looks_strange_is_read(text: str) -> None:
    assert read_json(text) == json.loads(text)


@pytest.mark.parametrize("top", ["[]", "1", '"args"', "null", "true"])
def test_the_whole_is_a_table(top: str) -> None:
    (fault,) = refuse(f"\n  {top}\n")
    assert fault.message.startswith("expected a table in braces, found ")
    assert fault.place == Place(2, 3)


def test_a_null_is_a_fault_of_its_key_whatever_the_key() -> None:
    for key in (declared.name for declared in Definition.__attrs_attrs__):
        faults = parse(json.dumps({"args": ["/bin/true"], key: None}))
        assert isinstance(faults, tuple), key
        (fault,) = (fault for fault in faults if fault.path == (key,) and fault.message.endswith("found null"))
        assert fault.hint == "leave it away"


@pytest.mark.parametrize(
    "text",
    [
        "[" * LARGEST_TEXT,
        '{"a":' * 12_000,
        '"' + "\\" * 60_000,
        '"' * 60_000,
        "-" * 60_000,
        "9" * 60_000,
        "{" + '"a":1,' * 10_000 + '"a":1}',
        "[" + "1e+5," * 13_000 + "1]",
        '["' + "\\ud800" * 10_000 + '"]',
        "[" + '"\\ud800",' * 6_000 + "1]",
    ],
)
def test_the_worst_texts_are_faults_like_others(text: str) -> None:
    """Where the work grew with the square of the length, or with the nesting, this would take minutes, or the stack."""
    assert len(text) <= LARGEST_TEXT
    faults = refuse(text)
    assert locate_faults("web.json", text, faults)


def json_values() -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    return st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@given(st.dictionaries(st.text(), json_values()), st.sampled_from([None, 0, 2]), st.booleans())
def test_good_texts_are_read_as_pythons_reader_does(
    value: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    if ascii_only or text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        assert read_json(text) == value
    assert is_json(text)


PIECES = (
    "{",
    "}",
    "[",
    "]",
    '"',
    "\\",
    "\\u",
    "a",
    '"a"',
    '"b":',
    "1",
    "-",
    ".",
    "e+5",
    ",",
    ":",
    "null",
    "NaN",
    " ",
    "\n",
)


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text())
def test_any_text_is_a_table_or_faults_inside(text: str) -> None:
    result = read_json(text)
    if isinstance(result, dict):
        assert json.loads(text) == result
        return
    assert result
    for fault in result:
        assert fault.place is not None or fault.path
        if fault.place is not None:
            assert 1 <= fault.place.line <= text.count("\n") + 1
            assert 1 <= fault.place.column <= len(text) + 1
            assert "\n" not in fault.message


@given(strategies.definition_tables())
def test_a_definition_is_the_same_in_both_forms(table: dict[str, Any]) -> None:
    toml = "".join(f"{key} = {strategies.dump_toml(value)}\n" for key, value in table.items())
    assert parse(json.dumps(table)) == PARSER.parse(Source("web", "web.toml", toml))
