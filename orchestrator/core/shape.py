"""Whether a text has a shape that its reader is quick with: not too long, no endless keys, nothing nested deep.

tomllib's work on a key grows with the square of its parts, and it calls itself for what is nested, as the reader of
JSON does: a small file could hold up the agent, or use up its memory. What is wrong as TOML or JSON is told by those
themselves. Floor: core.
"""

import re

from orchestrator.model.place import Place
from orchestrator.model.problem import Fault

LARGEST_TEXT = 64 * 1024
"""Bytes of UTF-8 that a definition's file may hold."""

MOST_PARTS = 16
"""Parts that a key, or the name of a table, may have: ``a.b.c`` has three. The model has four at most."""

MOST_NESTED = 16
"""Lists and tables in braces within each other."""

TOO_DEEP = f"lists or tables are nested too deep: {MOST_NESTED} within each other are the most"

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\[^\n])*"|'[^'\n]*')"""

_TOKEN = re.compile(
    r"(?P<text>\"{3}(?:[^\"\\]|\\[\s\S]|\"{1,2}(?!\"))*\"{3,5}|'{3}[\s\S]*?'{3,5})"
    r"|(?P<unclosed>\"{3}|'{3})"
    rf"|(?P<key>{_PART}(?:[ \t]*\.[ \t]*{_PART})*)"
    r"|(?P<open>[\[{])"
    r"|(?P<close>[\]}])"
    r"|(?P<other>#[^\n]*|[^\[\]{}\"'#A-Za-z0-9_-]+)"
)
"""A piece of a TOML text: strings over several lines, keys and what looks like them (other strings, numbers, dates:
none has more than one dot outside of quotes), brackets, comments and the rest.

Without possessive quantifiers, which Python 3.11.2 (Debian 12's) gets wrong around groups: no two alternatives begin
alike and nothing follows them that could fail, so there is little to go back over."""


def check_shape(text: str) -> Fault | None:
    """What makes ``text`` too much for the reader of TOML, with its place, or None. In time linear in its length."""
    if (too_long := check_length(text)) is not None:
        return too_long
    depth = position = 0
    # Where no piece fits, a string is not closed: tomllib will come as far as here, and say so.
    while (token := _TOKEN.match(text, position)) is not None:
        match token.lastgroup:
            case "key":
                if token[0].count(".") >= MOST_PARTS and len(re.findall(_PART, token[0])) > MOST_PARTS:
                    message = f"a key has more than {MOST_PARTS} parts, the limit"
                    return Fault((), message, place=place_at(text, position))
            case "open":
                depth += 1
                if depth > MOST_NESTED:
                    return Fault((), TOO_DEEP, place=place_at(text, position))
            case "close":
                depth -= 1
            case "unclosed":
                break
        position = token.end()
    return None


def check_length(text: str) -> Fault | None:
    """Whether a definition's file may be as long as ``text``."""
    if len(text.encode("utf-8", "surrogatepass")) <= LARGEST_TEXT:
        return None
    return Fault((), f"the file is larger than {LARGEST_TEXT // 1024} KiB, the limit", place=Place(1, 1))


def place_at(text: str, position: int) -> Place:
    """The line and column of a position, which counts characters from 0."""
    line, start = text.count("\n", 0, position) + 1, text.rfind("\n", 0, position) + 1
    return Place(line, position - start + 1)


def place_at_end(text: str) -> Place:
    """The place after the last character that is seen: empty lines at the end of a file show nothing."""
    return place_at(text, len(text.rstrip()))
