"""The shape of a text before TOML's reader: what would hold it up is refused, and nothing that a person writes."""

import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.core import shape
from orchestrator.core.shape import LARGEST_TEXT, MOST_NESTED, MOST_PARTS, check_shape
from orchestrator.core.toml import read_toml
from orchestrator.model.place import Place
from orchestrator.model.problem import Fault
from orchestrator.testing import strategies

LONG = ".".join("a" * (MOST_PARTS + 1))
FITS = ".".join("a" * MOST_PARTS)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"{LONG} = 1", Place(1, 1)),
        (f"x = 1\n  {LONG} = 1", Place(2, 3)),
        (f"x = 1\r\n\t{LONG} = 1", Place(2, 2)),
        (f"[{LONG}]", Place(1, 2)),
        (f"[[ {LONG} ]]", Place(1, 4)),
        (f"x = {{ {LONG} = 1 }}", Place(1, 7)),
        (f"x = [1, {{ b = 2, {LONG} = 1 }}]", Place(1, 18)),
        (".".join(["'a.b'"] * (MOST_PARTS + 1)) + " = 1", Place(1, 1)),
        (" \t.\t".join(['"\\"."'] * (MOST_PARTS + 1)) + " = 1", Place(1, 1)),
        (f'x = """\n"" \\""" ""\n"""""\n{LONG} = 1', Place(4, 1)),
        (f"x = '''\n'' \\''''\n{LONG} = 1", Place(3, 1)),
        (f'x = "\\\\" # "\n{LONG} = 1', Place(2, 1)),
        ("a." * 10_000 + "a = 1", Place(1, 1)),
    ],
)
def test_a_key_of_many_parts_is_refused_where_it_stands(text: str, place: Place) -> None:
    fault = read_toml(text)
    assert fault == Fault((), f"a key has more than {MOST_PARTS} parts, the limit", place=place)


@pytest.mark.parametrize(
    "text",
    [
        f"{FITS} = 1",
        f"[{FITS}]\n{FITS} = {{ {FITS} = 1 }}",
        f'x = "{LONG}"',
        f"x = '{LONG}'",
        f'x = "\\"{LONG}"',
        f"# {LONG} = 1",
        f"x = 1 # {LONG}",
        f'x = """\n{LONG} = 1\n""{LONG}"""""',
        f"x = '''\n{LONG} = 1\n''{LONG}'''''",
        f"x = '''\\'''\ny = \"{LONG}\"",
        f'"{LONG}" = 1',
        f"'{LONG}'.\"{LONG}\" = 1",
        f'x = ["{LONG}", # {LONG} "\n \'{LONG}\']',
        "x = [" + "1.5, " * 100 + "]",
        "x = [" + "2020-01-01 10:00:00.5, " * 100 + "]",
        "x = " + "[" * MOST_NESTED + "]" * MOST_NESTED,
        "x = [" + "[{}], " * 100 + "]",
        'x = "' + "[" * 100 + '" # ' + "{" * 100,
    ],
)
def test_dots_and_brackets_elsewhere_are_none_of_a_key(text: str) -> None:
    assert read_toml(text) == tomllib.loads(text)


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "[" * 200 + "]" * 200, "x = " + "{ a = " * 5000])
def test_what_is_nested_too_deep_is_refused_at_the_bracket(text: str) -> None:
    fault = read_toml(text)
    column = [index for index, char in enumerate(text, start=1) if char in "[{"][MOST_NESTED]
    message = f"lists or tables are nested too deep: {MOST_NESTED} within each other are the most"
    assert fault == Fault((), message, place=Place(1, column))


def test_the_size_counts_in_bytes() -> None:
    assert check_shape("#" * LARGEST_TEXT) is None
    for text in ("#" * (LARGEST_TEXT + 1), "#" + "é" * (LARGEST_TEXT // 2)):
        assert check_shape(text) == Fault((), "the file is larger than 64 KiB, the limit", place=Place(1, 1))


@pytest.mark.parametrize(
    "text", ['x = "a', "x = 'a", 'x = """a', "x = '''a", f'x = "a\n{LONG} = 1', f"x = '''\n{LONG}"]
)
def test_a_string_that_is_not_closed_is_left_to_the_reader(text: str) -> None:
    assert check_shape(text) is None
    fault = read_toml(text)
    assert isinstance(fault, Fault)
    assert fault.message.startswith("not valid TOML: ")


def longest_key(text: str) -> int:
    """How many parts tomllib's own reader of keys finds in the longest key of a good text."""
    found = [0]
    really_parse = tomllib._parser.parse_key  # type: ignore[attr-defined]

    def parse_key(src: str, pos: int) -> tuple[int, tuple[str, ...]]:
        end, key = really_parse(src, pos)
        found.append(len(key))
        return end, key

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tomllib._parser, "parse_key", parse_key)  # type: ignore[attr-defined]
        tomllib.loads(text)
    return max(found)


def deepest(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(deepest, value), default=0)
    if isinstance(value, dict):
        return max(map(deepest, value.values()), default=0)
    return 0


PIECES = (
    "a",
    "1",
    "-",
    '"',
    "'",
    '""',
    "''",
    '"""',
    "'''",
    "\\",
    ".",
    " ",
    "\n",
    "=",
    " = ",
    "#",
    "[",
    "]",
    "{",
    "}",
    ",",
)


@given(
    st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
    | st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: "x = " + "".join(pieces))
    | st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: 'x = """' + "".join(pieces) + '"""\na.b.c.d=1')
    | st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: "x = '''" + "".join(pieces) + "'''\na.b.c.d=1")
    | st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: 'x = "' + "".join(pieces) + '"\na.b.c.d=1')
    | strategies.toml_texts()
)
@example('x = """"""""\na.b.c.d=1')
@settings(max_examples=300)
def test_keys_are_found_as_the_reader_finds_them(text: str) -> None:
    try:
        parts, depth = longest_key(text), deepest(tomllib.loads(text))
    except ValueError:
        return
    with pytest.MonkeyPatch.context() as patch:
        for limit in range(2, 5):
            patch.setattr(shape, "MOST_PARTS", limit)
            fault = check_shape(text)
            # A number may look like a key of two parts, so one part is the limit of no text.
            assert (fault is not None) == (parts > limit)
        patch.setattr(shape, "MOST_PARTS", 100)
        patch.setattr(shape, "MOST_NESTED", max(depth - 1, 0))
        assert (check_shape(text) is not None) or depth == 0


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text())
def test_any_text_has_a_shape_or_a_fault_inside(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shape, "MOST_PARTS", 2)
        patch.setattr(shape, "MOST_NESTED", 2)
        fault = check_shape(text)
    if fault is not None:
        assert fault.place is not None
        assert 1 <= fault.place.line <= text.count("\n") + 1
        assert fault.place.column >= 1
