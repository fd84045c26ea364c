"""Where key paths stand in a JSON text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.locate import locate_faults
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import At, Fault
from orchestrator.model.source import Form
from tests.core.test_json_text import json_values
from tests.core.test_locate import walk_paths

TEXT = """\
{"args": ["a",
  "b", [1e+5, {"x": 2.5E+07, "y": [1e+5, 3]}]],
 "größe": {"ü": "é", "after": null},
\t"e\\u0073c\\"aped \\/ 1e+5": {"": {"deep": []}},
  "twice": 1, "twice": {"a": 1}
}
"""


def find(text: str, path: KeyPath, at: At = At.VALUE) -> tuple[int, int]:
    (problem,) = locate_faults("x.json", text, [Fault(path, "wrong", "", at)])
    return problem.line, problem.column


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ((), (1, 1), (1, 1)),
        (("args",), (1, 10), (1, 2)),
        (("args", 0), (1, 11), (1, 11)),
        (("args", 1), (2, 3), (2, 3)),
        (("args", 2, 0), (2, 9), (2, 9)),
        (("args", 2, 1, "x"), (2, 21), (2, 16)),
        (("args", 2, 1, "y", 1), (2, 42), (2, 42)),
        (("größe", "ü"), (3, 17), (3, 12)),
        (("größe", "after"), (3, 31), (3, 22)),
        (('esc"aped / 1e+5', "", "deep"), (4, 42), (4, 34)),
        (("twice",), (5, 24), (5, 15)),
        (("twice", "a"), (5, 30), (5, 25)),
        (("missing", 0), (1, 1), (1, 1)),
        (("args", 9, "x"), (1, 10), (1, 10)),
        (("größe", "missing"), (3, 11), (3, 11)),
    ],
)
def test_places(path: KeyPath, value: tuple[int, int], key: tuple[int, int]) -> None:
    assert find(TEXT, path) == value
    assert find(TEXT, path, At.KEY) == key


def test_the_form_is_what_is_said_before_what_the_name_says() -> None:
    fault = Fault(("a",), "wrong", 'write a = "x"')
    (problem,) = locate_faults("definition", '{"a": 1}', [fault], form=Form.JSON)
    assert (problem.line, problem.column, problem.hint) == (1, 7, 'write "a": "x"')
    (problem,) = locate_faults("x.json", "a = 1", [fault], form=Form.TOML)
    assert (problem.line, problem.column, problem.hint) == (1, 5, 'write a = "x"')


@given(st.dictionaries(st.text(max_size=5), json_values()), st.sampled_from([None, 2]), st.booleans())
def test_a_value_stands_where_it_is_said_to_stand(value: dict[str, Any], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    lines = text.split("\n")
    for path, item in walk_paths(value):
        if not path:
            continue
        line, column = find(text, path)
        found, _ = json.JSONDecoder().raw_decode("\n".join([lines[line - 1][column - 1 :], *lines[line:]]))
        assert found == item
        if isinstance(path[-1], str):
            line, column = find(text, path, At.KEY)
            assert lines[line - 1][column - 1 :].startswith(json.dumps(path[-1], ensure_ascii=ascii_only) + ":")


@given(
    st.text(alphabet='{}[]":,\\ \nab1e+.-/*') | st.text(),
    st.lists(st.lists(st.text(max_size=2) | st.integers(0, 2)).map(tuple)),
    st.sampled_from(At),
)
def test_any_path_in_any_text_has_a_place_inside(text: str, paths: list[KeyPath], at: At) -> None:
    problems = locate_faults("x.json", text, [Fault(path, "wrong", "", at) for path in paths])
    assert len(problems) == len(paths)
    for problem in problems:
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.column >= 1
