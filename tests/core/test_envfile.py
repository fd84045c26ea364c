"""Files of variables: what a text says, as systemd.exec(5) has it, and what is no such text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.envfile import BadLine, choose_env_files, merge_variables, parse_variables
from orchestrator.model.definition import EnvFile
from orchestrator.model.facts import DigestAnswer, Facts
from orchestrator.model.problem import Fault
from orchestrator.model.spec import EnvFileUse
from orchestrator.model.types import AbsolutePath
from tests.core.helpers_world import HOST


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("\n \t\n", {}),
        ("A=1", {"A": "1"}),
        ("A=1\\", {"A": "1"}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("# a\n  ; b\nA=1\n#", {"A": "1"}),
        ("# it does not go on \\\nA=1\n", {"A": "1"}),
        ("  A \t=  x y\t \n", {"A": "x y"}),
        ("A=\nB= \n", {"A": "", "B": ""}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("A=#1 ;2\n", {"A": "#1 ;2"}),
        ("A==b=c\n", {"A": "=b=c"}),
        ("A=$HOME ${B} `c`\n", {"A": "$HOME ${B} `c`"}),
        ("A=größer\n", {"A": "größer"}),
    ],
    ids=repr,
)
def test_lines_are_variables_comments_or_empty(text: str, expected: dict[str, str]) -> None:
    assert parse_variables(text.encode()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\a\\b\"", r'a\b"'),
        ("a\\\nb", "ab"),
        ("a \\\n  b\\\n", "a   b"),
        ("a\\\r\nb", "ab"),
        ("a\\ ", "a "),
        ("\\\n", ""),
        ('it\'s "so"', 'it\'s "so"'),
        ("'a b'", "a b"),
        ("  'a'  ", "a"),
        (r"'\n\\$'", r"\n\\$"),
        ("'a\n#b\n'", "a\n#b\n"),
        ("''", ""),
        ('"a b"', "a b"),
        (r'"\"\\\`\$\n\x"', r'"\`$\n\x'),
        ('"a\nb\\\nc"', "a\nbc"),
        ('"it\'s"', "it's"),
        ("'a'\"b\"c d", "abc d"),
        ("'a' 'b'", "ab"),
    ],
    ids=repr,
)
def test_values_have_quotes_and_backslashes(text: str, expected: str) -> None:
    assert parse_variables(f"BEFORE=1\nA={text}\nAFTER=2\n".encode()) == {"BEFORE": "1", "A": expected, "AFTER": "2"}


@pytest.mark.parametrize(
    ("data", "line", "why"),
    [
        (b"A=1\n\nsecret\n", 3, 'there is no "="'),
        (b"# c\n=secret", 2, "is no name"),
        (b"1A=secret", 1, "is no name"),
        (b"a b=secret", 1, "is no name"),
        (b"a-b=secret", 1, "is no name"),
        (b"\xc2\xa0A=secret", 1, "is no name"),
        (b"\xef\xbb\xbfA=secret", 1, "is no name"),
        (b"export A=secret", 1, "export"),
        (b"A=1\nB='secret\nC=2\n", 2, "not closed"),
        (b'A="secret\\"\n', 1, "not closed"),
        (b"A='secret'\"b\n", 1, "not closed"),
        (b"A='\n\n'\nsecret", 4, 'there is no "="'),
        (b"A=1\nB=se\0cret\n", 2, "NUL"),
        (b"A=1\nB=\xffsecret\n", 2, "not UTF-8"),
    ],
)
def test_what_is_no_variable_is_told_by_its_line_and_never_shown(data: bytes, line: int, why: str) -> None:
    bad = parse_variables(data)
    assert isinstance(bad, BadLine)
    assert (bad.number, why in bad.why) == (line, True)
    assert str(bad).startswith(f"line {line}: ")
    assert "secret" not in str(bad)


def _values() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30)


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True), _values(), max_size=5))
def test_every_value_can_be_written_in_either_quotes_or_none(variables: dict[str, str]) -> None:
    double = {name: '"' + re.sub(r'(["\\`$])', r"\\\1", value) + '"' for name, value in variables.items()}
    single = {name: "'" + value.replace("'", "'\"'\"'") + "'" for name, value in variables.items()}
    for written in (double, single):
        text = "".join(f"{name}={value}\n" for name, value in written.items())
        assert parse_variables(text.encode()) == variables
    bare = {name: re.sub("(.)", r"\\\1", value) for name, value in variables.items() if "\n" not in value}
    text = "".join(f"{name}={value}\n" for name, value in bare.items())
    assert parse_variables(text.encode()) == {name: variables[name] for name in bare}


@given(st.text(st.sampled_from("A=1'\"\\\n\r #; \t$")))
def test_any_text_is_variables_or_one_bad_line(text: str) -> None:
    found = parse_variables(text.encode())
    if isinstance(found, BadLine):
        assert 1 <= found.number <= text.count("\n") + 1
    else:
        assert all(re.fullmatch("A[A1]*", name) for name in found)


def test_files_win_over_defaults_and_not_over_the_definition() -> None:
    env = ["HOME=/root", "LANG=C", "PATH=/bin"]
    variables = {"PATH": "/opt/bin", "LANG": "de", "A": "x=y"}
    assert merge_variables(env, variables, {"LANG"}) == ["A=x=y", "HOME=/root", "LANG=C", "PATH=/opt/bin"]


def test_a_digest_counts_where_it_is_watched() -> None:
    paths = [AbsolutePath(f"/etc/{name}") for name in ("a", "b", "c")]
    facts = Facts(
        HOST, digests={paths[0]: DigestAnswer("aa"), paths[1]: DigestAnswer("bb"), paths[2]: DigestAnswer(None, "no")}
    )
    files = [EnvFile(path=paths[0]), EnvFile(path=paths[1], watch=False), EnvFile(path=paths[2], watch=False)]
    uses, faults = choose_env_files(files, facts)
    assert uses == (EnvFileUse("/etc/a", "aa"), EnvFileUse("/etc/b", None))
    assert faults == (Fault(("env_files", 2), 'cannot use "/etc/c": no'),)
