"""Files of environment variables (`env_files`): what the text of one says, and what becomes of ``process.env`` by it.

The format is that of systemd.exec(5), ``EnvironmentFile=``:

- A line is ``NAME=VALUE``; it ends with LF or CR LF. White space around NAME and around VALUE counts for nothing. An
  empty line, and one whose first character is ``#`` or ``;``, says nothing; a comment ends with its line (so does
  systemd have it since version 254).
- NAME is made of letters, digits and ``_`` and does not begin with a digit.
- Without quotes VALUE ends with its line. A backslash stands for the character after it, and before the end of a line
  for nothing, so that the next line goes on with the value. A quote that is not the first character is a character.
- In single quotes everything stands for itself, ends of lines too.
- In double quotes ends of lines stand for themselves too, ``\\"``, ``\\\\``, ``\\```, ``\\$`` for their second
  character, a backslash before the end of a line for nothing, and any other backslash for itself.
- After a closing quote more of the value may follow, in quotes or without.
- Nothing is expanded. Of a name that comes twice the later value stands.

What systemd passes over without a word is a mistake here: a line without ``=``, a name that is none, a quote that is
not closed. No message shows anything of what a file says. Reading files is left to `orchestrator.system.envfile`.
Floor: core.
"""

import re
from collections.abc import Container, Iterable, Mapping

from attrs import frozen

from orchestrator.core.suggest import quote
from orchestrator.model.definition import EnvFile
from orchestrator.model.facts import Facts
from orchestrator.model.problem import Fault
from orchestrator.model.spec import EnvFileUse

_SPACE = r"[ \t\r]*"
_NOTHING = re.compile(rf"(?:{_SPACE}(?:[#;][^\n]*)?\n)*{_SPACE}(?:[#;][^\n]*\Z)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED = re.compile(rf"""{_SPACE}(?:'([^']*)'|"((?:[^"\\]|\\.)*)")""", re.DOTALL)
_BARE = re.compile(rf"{_SPACE}((?:{_SPACE}(?:[^ \t\r\n\\]|\\(?:.|\Z)))*)[ \t\r]*(?:\n|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPE_IN_QUOTES = re.compile(r'\\(["\\`$\n])')


@frozen
class BadLine:
    """Why a text is no file of variables: ``str()`` names the line, counted from 1, and shows nothing of it."""

    number: int
    why: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.why}"


def parse_variables(data: bytes) -> dict[str, str] | BadLine:
    """The variables that a file of variables sets, by name."""
    try:
        text = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        return BadLine(data.count(b"\n", 0, error.start) + 1, "it is not UTF-8")
    if "\0" in text:
        return _bad(text, text.index("\0"), "it has a NUL character")
    variables: dict[str, str] = {}
    at = _end(_NOTHING, text, 0)
    while at < len(text):
        end = text.find("\n", at)
        name, equals, _ = text[at : end if end >= 0 else None].partition("=")
        if not equals:
            return _bad(text, at, 'there is no "=" in it')
        name = name.rstrip(" \t\r")
        if not _NAME.fullmatch(name):
            shell = name.startswith("export ")
            why = 'it begins with "export", as for a shell' if shell else 'what stands before "=" is no name'
            return _bad(text, at, why)
        found = _read_value(text, text.index("=", at) + 1)
        if found is None:
            return _bad(text, at, "a quote that begins in it is not closed")
        variables[name], after = found
        at = _end(_NOTHING, text, after)
    return variables


def _read_value(text: str, at: int) -> tuple[str, int] | None:
    """The value that begins at ``at``, and where the next line begins; None where a quote is not closed."""
    value = ""
    while quoted := _QUOTED.match(text, at):
        single, double = quoted.groups()
        value += _ESCAPE_IN_QUOTES.sub(_drop_line_end, double) if single is None else single
        at = quoted.end()
    bare = _BARE.match(text, at)
    assert bare is not None, "it ends where the line ends, at the latest"
    if bare[1].startswith(("'", '"')):
        return None
    return value + _ESCAPE.sub(_drop_line_end, bare[1]), bare.end()


def _drop_line_end(escape: re.Match[str]) -> str:
    return escape[1].removesuffix("\n")


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()


def _bad(text: str, at: int, why: str) -> BadLine:
    return BadLine(text.count("\n", 0, at) + 1, why)


def merge_variables(env: Iterable[str], variables: Mapping[str, str], own: Container[str]) -> list[str]:
    """``process.env`` with the variables of files in it, sorted by name. ``own``: those that no file changes."""
    merged = {name: value for name, _, value in (entry.partition("=") for entry in env)}
    merged |= {name: value for name, value in variables.items() if name not in own}
    return [f"{name}={value}" for name, value in sorted(merged.items())]


def choose_env_files(files: Iterable[EnvFile], facts: Facts) -> tuple[tuple[EnvFileUse, ...], tuple[Fault, ...]]:
    """What a spec says of `env_files`, and what is wrong with them."""
    uses: list[EnvFileUse] = []
    faults: list[Fault] = []
    for index, file in enumerate(files):
        answer = facts.digests[file.path]
        if answer.digest is None:
            faults.append(Fault(("env_files", index), f"cannot use {quote(file.path)}: {answer.detail}"))
        else:
            uses.append(EnvFileUse(file.path, answer.digest if file.watch else None))
    return tuple(uses), tuple(faults)
