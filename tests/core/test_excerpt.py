"""A problem as a person reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.excerpt import show_problem
from orchestrator.core.locate import locate_faults
from orchestrator.core.parse import Parser
from orchestrator.model.problem import Problem
from orchestrator.model.registry import Registry
from orchestrator.model.source import Source, form_of


def test_the_caret_stands_under_the_place() -> None:
    problem = Problem("web.toml", 2, 10, "rootfs", 'unknown "hots"', 'did you mean "host"?')
    assert show_problem(problem, 'args = []\nrootfs = "hots"\n') == (
        'web.toml:2:10: rootfs: unknown "hots"\n  2 | rootfs = "hots"\n    |          ^\n  did you mean "host"?'
    )


def test_a_long_line_is_cut_around_the_place() -> None:
    text = "x" * 5000 + "!" + "y" * 5000
    lines = show_problem(Problem("a", 1, 5001, "", "odd"), text).split("\n")
    assert lines[1][lines[2].index("^")] == "!"
    assert len(lines[1]) < 200


@given(
    st.builds(Problem, st.text(), st.integers(1, 9), st.integers(1, 400), st.text(), st.text(), st.text()),
    st.none() | st.text(),
)
def test_nothing_that_a_terminal_obeys_gets_through(problem: Problem, text: str | None) -> None:
    shown = show_problem(problem, text)
    assert all(char.isprintable() for line in shown.split("\n") for char in line)


SECRET = "5417365"

PRIVATE = [
    ("web.toml", f"args = ['a']\nenv.PASSWORD = {SECRET}\n", "env.PASSWORD = …"),
    ("web.toml", f"args = ['a']\nenv.PASSWORD = {SECRET}.5\n", "env.PASSWORD = …"),
    ("web.toml", f"args = ['a']\n[env]\n'PASSWORD'={SECRET} # {SECRET}\n", "'PASSWORD'=…"),
    ("web.toml", f"args = ['a']\n[env]\nPASSWORD = ['{SECRET}']\n", "PASSWORD = …"),
    ("web.toml", f"args = ['a']\n[env]\nPASSWORD = {{ it = '{SECRET}' }}\n", "PASSWORD = …"),
    ("web.toml", f"args = ['a']\n[env.PASSWORD] # {SECRET}\nit = '{SECRET}'\n", "[env.PASSWORD]"),
    ("web.toml", f"args = ['a']\nenv.PASSWORD = \"{SECRET}\\u0000\"\n", "env.PASSWORD = …"),
    ("web.toml", f"args = ['a']\nenv = {{ A = '{SECRET}', B = 1 }}\n", "env = …"),
    ("web.toml", f"args = ['a']\nenv = 'PASSWORD={SECRET}'\n", "env = …"),
    ("web.toml", f"args = ['a']\nenv = ['PASSWORD={SECRET}']\n", "env = …"),
    ("web.toml", f"args = ['a']\n[[env]]\nPASSWORD = '{SECRET}'\n", "…"),
    ("web.toml", f"args = ['a']\n[env]\nPASSWORD = {SECRET}x\n", "PASSWORD = …"),
    ("web.toml", f"args = ['a']\nenv.PASSWORD = {SECRET}x\n", "env.PASSWORD = …"),
    ("web.json", f'{{"args": ["a"], "env":\n{{"A": "{SECRET}", "B": 1}}}}', '{"A": …'),
    ("web.json", f'{{"args": ["a"], "env":\n["{SECRET}"]}}', "…"),
    ("web.json", f'{{"args": ["a"], "env": {{"A":\n"{SECRET}: \\u0000"}}}}', "…"),
]
"""Files whose only fault is one of a variable, and what is shown of the line. Of JSON the whole file may be one."""


@pytest.mark.parametrize(("name", "text", "shown"), PRIVATE)
def test_what_a_variable_says_is_never_shown(name: str, text: str, shown: str) -> None:
    faults = Parser(Registry({})).parse(Source("web", name, text, form=form_of(name)))
    assert isinstance(faults, tuple), "this definition is good"
    problems = locate_faults(name, text, faults)
    assert len(problems) == 1
    assert SECRET not in str(problems[0])
    lines = show_problem(problems[0], text).split("\n")
    assert not any(SECRET in line for line in lines)
    assert lines[1].partition(" | ")[2] == shown
    assert lines[2].index("^") < len(lines[1])


def test_what_is_beside_the_variables_is_shown() -> None:
    text = "args = 5\n[env]\nA = 'x'\n[restart]\ndelay = 5x\n"
    assert "  1 | args = 5\n" in show_problem(Problem("a", 1, 8, "args", "odd"), text)
    assert "  5 | delay = 5x\n" in show_problem(Problem("a", 5, 9, "", "invalid"), text)
    assert "  5 | delay = 5x\n" in show_problem(Problem("a", 5, 9, "env_files[0]", "odd"), text)
