"""Regular expressions of POSIX by Python's."""

import contextlib
import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.patterns import BadPattern, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (".*/init$", ("/sbin/init",), ("/sbin/init/x",)),
        (r"^com\.example\.department$", ("com.example.department",), ("comXexample.department",)),
        ("(fluid|solid)-dynamics", ("a fluid-dynamics b",), ("gas-dynamics",)),
        ("^[[:alpha:]_][[:alnum:]]{1,2}$", ("_1a", "Zz"), ("1aa", "a", "a_")),
        ("^[^[:space:]]+$", ("ab",), ("a b",)),
        ("^[[]$", ("[",), ("]", "a")),
        ("^[]a]$", ("]", "a"), ("b",)),
        ("^[^]a]$", ("b",), ("]", "a")),
        ("^[a&&b||c~~]+$", ("&|~abc",), ("d",)),
        (r"^\[x]$", ("[x]",), ("x",)),
        ("^[a-c-]+$", ("a-c",), ("d",)),
        ("^[[:punct:]]+$", ("!/:@[`{~]",), ("a",)),
    ],
)
def test_what_matches(pattern: str, yes: tuple[str, ...], no: tuple[str, ...]) -> None:
    compiled = compile_pattern(pattern)
    assert [text for text in yes if not compiled.search(text)] == []
    assert [text for text in no if compiled.search(text)] == []


@pytest.mark.parametrize("pattern", ["(", "[", "[a", "a{2,1}", "*a", "(?i)a", "[[:nope:]]", "[[.a.]]", "[[=a=]]"])
def test_what_is_no_expression_says_so(pattern: str) -> None:
    with pytest.raises(BadPattern) as caught:
        compile_pattern(pattern)
    assert f'"{pattern}"' in str(caught.value)


@given(st.text(alphabet="[]^-:\\.ab*(){}|?&~=al", max_size=12))
def test_any_text_is_one_or_is_refused_without_a_warning(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(BadPattern):
            assert isinstance(compile_pattern(pattern), re.Pattern)


@given(st.text(alphabet="abc./_-", max_size=10))
def test_an_escaped_text_matches_itself(text: str) -> None:
    assert compile_pattern(f"^{re.escape(text)}$").search(text)
