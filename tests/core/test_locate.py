"""Where key paths stand in a text."""

import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import suggest
from orchestrator.core.locate import MOST_TOLD, locate_faults
from orchestrator.core.parse import Parser
from orchestrator.core.reject import MOST_FOUND
from orchestrator.core.shape import MOST_PARTS
from orchestrator.model.place import KeyPath, Place
from orchestrator.model.problem import At, Fault, dotted
from orchestrator.model.source import Source
from orchestrator.testing import strategies
from tests.core.helpers_kinds import REGISTRY


def find(text: str | None, path: KeyPath, at: At = At.VALUE) -> tuple[int, int]:
    (problem,) = locate_faults("x.toml", text, [Fault(path, "wrong", "", at)])
    return problem.line, problem.column


TEXT = """\
# größer
args = ["a", # one
  "b", [1, { x = 2 }]]
inline = { a = 1, b.c = { "d e" = 2 } }
dotted."ü.ö".x = 1
"ключ" = { "ö" = "ä", after = 1 }
'lit\\eral' = 1
"esc\\u00e4\\"ped" = 1
multi = \"\"\"
[not.a.header]
\"\"\"
[table] # comment
x = 1
sub.y = 2
[table.below."/data"]
z = 1
[implied.deep]
w = 1
[implied]
v = 1
[[list]]
n = 1
[[list]]
n = 2
  [list.sub]
  m = 1
  [[list.inner]]
  k = 1
  [[list.inner]]
  k = 2
"""


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ((), (1, 1), (1, 1)),
        (("args",), (2, 8), (2, 1)),
        (("args", 0), (2, 9), (2, 9)),
        (("args", 1), (3, 3), (3, 3)),
        (("args", 2, 1, "x"), (3, 18), (3, 14)),
        (("inline",), (4, 10), (4, 1)),
        (("inline", "a"), (4, 16), (4, 12)),
        (("inline", "b"), (4, 19), (4, 19)),
        (("inline", "b", "c"), (4, 25), (4, 21)),
        (("inline", "b", "c", "d e"), (4, 35), (4, 27)),
        (("dotted",), (5, 1), (5, 1)),
        (("dotted", "ü.ö"), (5, 8), (5, 8)),
        (("dotted", "ü.ö", "x"), (5, 18), (5, 14)),
        (("ключ", "ö"), (6, 18), (6, 12)),
        (("ключ", "after"), (6, 31), (6, 23)),
        (("lit\\eral",), (7, 14), (7, 1)),
        (('escä"ped',), (8, 20), (8, 1)),
        (("multi",), (9, 9), (9, 1)),
        (("table",), (12, 2), (12, 2)),
        (("table", "x"), (13, 5), (13, 1)),
        (("table", "sub", "y"), (14, 9), (14, 5)),
        (("table", "below"), (15, 8), (15, 8)),
        (("table", "below", "/data"), (15, 14), (15, 14)),
        (("table", "below", "/data", "z"), (16, 5), (16, 1)),
        (("implied",), (19, 2), (19, 2)),
        (("implied", "deep"), (17, 10), (17, 10)),
        (("list",), (21, 3), (21, 3)),
        (("list", 0), (21, 3), (21, 3)),
        (("list", 0, "n"), (22, 5), (22, 1)),
        (("list", 1), (23, 3), (23, 3)),
        (("list", 1, "n"), (24, 5), (24, 1)),
        (("list", 1, "sub", "m"), (26, 7), (26, 3)),
        (("list", 1, "inner", 0, "k"), (28, 7), (28, 3)),
        (("list", 1, "inner", 1, "k"), (30, 7), (30, 3)),
    ],
)
def test_places(path: KeyPath, value: tuple[int, int], key: tuple[int, int]) -> None:
    assert find(TEXT, path) == value
    assert find(TEXT, path, At.KEY) == key


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("missing",), (1, 1)),
        (("missing", "far", 0), (1, 1)),
        (("table", "missing"), (12, 2)),
        (("inline", "b", "missing", "x"), (4, 19)),
        (("args", 9), (2, 8)),
        (("args", 0, "x"), (2, 9)),
        (("list", 2, "n"), (21, 3)),
        (("list", "n"), (21, 3)),
    ],
)
def test_what_is_missing_has_the_place_of_what_is_above(path: KeyPath, place: tuple[int, int]) -> None:
    assert find(TEXT, path) == place
    assert find(TEXT, path, At.KEY) == place


def test_windows_line_ends_and_tabs() -> None:
    assert find("a = 1\r\n\tb\t= 2\r\n", ("b",)) == (2, 6)


@pytest.mark.parametrize("text", [None, "", "a = ", "[a\n", "a = " + "[" * 20000, "a = 1 = 2"])
def test_without_good_text_all_stands_at_the_top(text: str | None) -> None:
    assert find(text, ("a", "b")) == (1, 1)


def test_a_place_that_is_known_is_kept() -> None:
    fault = Fault((), "bad", "hint", place=Place(3, 4))
    (problem,) = locate_faults("dir/x.toml", "a = ", [fault])
    assert str(problem) == "dir/x.toml:3:4: bad (hint)"


def test_problems_are_sorted_by_place() -> None:
    faults = [Fault(("b",), "two"), Fault((), "top"), Fault(("a",), "one"), Fault(("a",), "also one")]
    problems = locate_faults("x.toml", "a = 1\nb = 2\n", faults)
    assert [str(problem) for problem in problems] == [
        "x.toml:1:1: top",
        "x.toml:1:5: a: also one",
        "x.toml:1:5: a: one",
        "x.toml:2:5: b: two",
    ]


def test_keys_of_many_parts() -> None:
    path = tuple(["a"] * MOST_PARTS)
    assert find(".".join(path) + " = 1", path) == (1, 2 * MOST_PARTS + 3)
    assert find("[" + ".".join(path) + "]\nx = 1", (*path, "x")) == (2, 5)


def test_the_first_hundred_are_told_and_the_others_counted() -> None:
    text = "".join(f"k{number} = 1\n" for number in range(250))
    faults = [Fault((f"k{number}",), "wrong", at=At.KEY) for number in reversed(range(250))]
    problems = locate_faults("x.toml", text, faults)
    assert [problem.path for problem in problems[:-1]] == [f"k{number}" for number in range(MOST_TOLD)]
    assert str(problems[-1]) == "x.toml:101:1: 150 more problems from here on: only the first 100 are told"
    assert problems == tuple(sorted(problems))
    (*told, last) = locate_faults("x.toml", text, faults[: MOST_TOLD + 1])
    assert len(told) == MOST_TOLD
    assert last.message == "1 more problem from here on: only the first 100 are told"
    assert len(locate_faults("x.toml", text, faults[:MOST_TOLD])) == MOST_TOLD


def test_when_there_is_no_end_of_faults_reading_stops() -> None:
    lists = "".join(f'mounts."/{number}" = {{ source = "/a", options = [{"1, " * 999}] }}\n' for number in range(20))
    text = f'args = ["a"]\n{lists}'
    faults = Parser(REGISTRY).parse(Source("web", "web.toml", text))
    assert isinstance(faults, tuple)
    assert MOST_FOUND <= len(faults) < 3 * MOST_FOUND
    (*told, last) = locate_faults("x.toml", text, faults)
    assert [problem.path for problem in told] == [f'mounts."/0".options[{number}]' for number in range(MOST_TOLD)]
    assert last.message.startswith(f"at least {len(faults) - MOST_TOLD} more problems")
    assert last.line == 2


def test_of_many_at_one_place_the_count_comes_last() -> None:
    problems = locate_faults("x.toml", None, [Fault((f"k{number}",), "wrong") for number in range(250)])
    assert len(problems) == MOST_TOLD + 1
    assert problems[-1].message.startswith("150 more problems")


def test_a_long_key_is_shown_cut_and_still_found() -> None:
    key = "k" * 30_000
    text = f'[env]\nx = 1\n"{key}" = 1\n'
    (problem,) = locate_faults("x.toml", text, [Fault(("env", key), "wrong", at=At.KEY)])
    assert (problem.line, problem.column) == (3, 1)
    assert problem.path == f'env."{"k" * 299}…"'


def test_what_was_meant_is_searched_only_for_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[str] = []

    def search(word: str, known: Iterable[str]) -> str:
        searches.append(word)
        return "did you mean it?"

    monkeypatch.setattr(suggest, "suggest_similar", search)
    text = "".join(f"argz{number} = 1\n" for number in range(900))
    faults = Parser(REGISTRY).parse(Source("web", "web.toml", text))
    assert isinstance(faults, tuple)
    problems = locate_faults("x.toml", text, faults)
    assert len(faults) == 901
    # The missing `args` is the first of them.
    assert searches == [f"argz{number}" for number in range(MOST_TOLD - 1)]
    assert problems[1].hint == "did you mean it?"


def test_columns_count_characters_in_whatever_order_they_are_asked_for() -> None:
    line = '"größe" = { "ü" = [["é", "é"], { "ß" = "ä", z = ["ö"] }], x = [1, "é"] }'
    for path in (("größe", "ü", 0, 1), ("größe", "ü", 1, "z", 0), ("größe", "x", 1)):
        faults = [Fault(sought, "wrong") for sought, _ in walk_paths(tomllib.loads(line)) if sought]
        problems = locate_faults("x.toml", line, faults)
        (place,) = [problem.column for problem in problems if problem.path == dotted(path)]
        assert find(line, path) == (1, place)
    assert find(line, ("größe", "x", 1)) == (1, line.rindex('"é"') + 1)
    assert find(line, ("größe", "ü", 1, "z", 0)) == (1, line.index('"ö"') + 1)


def test_the_reader_of_positions_is_loaded_only_when_there_is_something_to_place() -> None:
    program = (
        "import sys\n"
        "from orchestrator.core.locate import locate_faults\n"
        "from orchestrator.core.parse import Parser\n"
        "from orchestrator.model.place import Place\n"
        "from orchestrator.model.problem import Fault\n"
        "locate_faults('x', 'a = 1', [Fault((), 'x'), Fault(('a',), 'x', place=Place(1, 1))])\n"
        "locate_faults('x', None, [Fault(('a',), 'x')])\n"
        "sys.exit('tree_sitter' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def walk_paths(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk_paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk_paths(item, (*path, index))


@given(strategies.toml_texts())
def test_a_scalar_stands_where_it_is_said_to_stand(text: str) -> None:
    lines = text.split("\n")
    for path, value in walk_paths(tomllib.loads(text)):
        if path and not isinstance(value, dict):
            line, column = find(text, path)
            assert lines[line - 1][column - 1 :].startswith(strategies.dump_toml(value))
        if path and isinstance(path[-1], str):
            line, column = find(text, path, At.KEY)
            assert lines[line - 1][column - 1 :].startswith(strategies.dump_toml(path[-1]))


@given(
    strategies.toml_texts() | st.text(),
    st.lists(st.lists(st.text(max_size=3) | st.integers(0, 3) | st.sampled_from(["args", "mounts"])).map(tuple)),
    st.sampled_from(At),
)
def test_any_path_in_any_text_has_a_place_inside(text: str, paths: list[KeyPath], at: At) -> None:
    problems = locate_faults("x.toml", text, [Fault(path, "wrong", "", at) for path in paths])
    assert len(problems) == len(paths)
    for problem in problems:
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.column >= 1
