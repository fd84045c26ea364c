"""The wording of faults: quoting what was written, naming its type, and "did you mean". What is a fault is decided
elsewhere. Floor: core.
"""

import difflib
import json
import re
from collections.abc import Iterable

from orchestrator.model.problem import Fault
from orchestrator.model.source import Form

LONGEST_QUOTE = 80
"""Characters of an offending string that a message shows; the rest is cut off."""

_KEY_OR_TEXT = re.compile(r'(?<![.\w-])(?P<key>[A-Za-z0-9_-]+|(?P<text>"(?:[^"\\]|\\.)*"))(?P<assigned> = )?')
"""A word or a quoted text, and whether a value is assigned to it, so that it is a key of TOML."""


def find_similar(word: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that was probably meant by ``word``, or None. Case, ``-`` and ``_`` count for nothing."""
    folded = {_fold(name): name for name in known}
    close = difflib.get_close_matches(_fold(word[:LONGEST_QUOTE]), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def suggest_similar(word: str, known: Iterable[str]) -> str:
    """The hint ``did you mean "x"?``, or an empty one where nothing is similar."""
    similar = find_similar(word, known)
    return "" if similar is None else f"did you mean {quote(similar)}?"


def complete_hint(fault: Fault, form: Form = Form.TOML) -> str:
    """The hint of a fault, for a file of that form: what was probably meant, or what the fault says itself."""
    meant = suggest_similar(fault.guess.word, fault.guess.known) if fault.guess else ""
    return meant or rewrite_hint(fault.hint, form)


def rewrite_hint(hint: str, form: Form) -> str:
    """A hint that shows what to write, as the form has it. Hints are written in TOML, by plugins too: for JSON
    ``write delay = "10s"`` becomes ``write "delay": "10s"``. Values are alike, and a dotted key is left as it is.
    """
    match form:
        case Form.TOML | Form.NIX:
            return hint
        case Form.JSON:
            return _KEY_OR_TEXT.sub(_write_json_key, hint)


def _write_json_key(match: re.Match[str]) -> str:
    if match["assigned"] is None:
        return match[0]
    return f"{match['text'] or quote(match['key'])}: "


def list_choices(known: Iterable[str]) -> str:
    """``"a", "b" or "c"``."""
    quoted = [quote(name) for name in known]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def quote(text: str) -> str:
    """A string as it may be written in a file: in double quotes, control characters escaped, cut if it is long."""
    if len(text) > LONGEST_QUOTE:
        text = text[: LONGEST_QUOTE - 1] + "…"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def show_value(value: object) -> str:
    """A value as a file has it, for a message. A table or a list is not spelt out."""
    match value:
        case str():
            return quote(value)
        case bool():
            return "true" if value else "false"
        case int():
            # Python refuses to print integers of thousands of digits, which a file may hold in hexadecimal.
            return str(value) if value.bit_length() <= 128 else f"of {value.bit_length()} bits"
        case None:
            return "null"
        case dict():
            return "a table"
        case list():
            return "a list"
        case _:
            return str(value)


def describe_value(value: object) -> str:
    """A value with the name of its type: ``the string "x"``, ``the integer 5``, ``a table``."""
    match value:
        case None | dict() | list():
            return show_value(value)
        case str():
            return f"the string {quote(value)}"
        case bool():
            return f"the boolean {show_value(value)}"
        case int():
            return f"the integer {show_value(value)}"
        case float():
            return f"the number {value}"
        case _:
            return f"the date or time {value}"


def describe_type(value: object) -> str:
    """The name of a value's type, for a value that may be private: ``a string``, ``an integer``, ``a table``."""
    match value:
        case None | dict() | list():
            return show_value(value)
        case str():
            return "a string"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case _:
            return "a date or time"


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")
