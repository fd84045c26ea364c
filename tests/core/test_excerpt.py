"""A problem as a person reads it."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.excerpt import show_problem
from orchestrator.model.problem import Problem


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
