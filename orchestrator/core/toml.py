"""Text to the plain values of TOML, or the fault of its first mistake, in the words of people. Floor: core."""

import ast
import re
import tomllib

from orchestrator.core.shape import check_shape, place_at_end
from orchestrator.model.place import Place
from orchestrator.model.problem import Fault, dotted

_POSITION = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL)

_TOML_KEY = re.compile(r"\((?:'[^()]*'|\"[^()]*\"),?\)")
"""A key path as tomllib's messages have it: the tuple of its parts, as Python writes it."""

_HINTS = {
    "Invalid value": 'text stands in quotes: "text"; a list in brackets, a table in braces',
    "Cannot overwrite a value": "a key is written twice",
    "Cannot declare": "a table is written twice",
    "Expected '='": 'write key = "value"',
    "Invalid statement": 'write key = "value", or [table] above the keys of a table',
    "Illegal character '\\n'": "close the string with the quote that opened it",
    "Unclosed array": "close the list with ]",
}
"""What to do about it, by how tomllib's message begins."""


def read_toml(text: str) -> dict[str, object] | Fault:
    """The table that a TOML document is, or the fault of its first syntax error, with its place."""
    too_much = check_shape(text)
    if too_much is not None:
        return too_much
    try:
        return tomllib.loads(text)
    except ValueError as error:
        # A TOMLDecodeError, or a plain ValueError of int() for a number of thousands of digits, which has no place.
        return _explain_syntax(str(error), text)


def _explain_syntax(error: str, text: str) -> Fault:
    match = _POSITION.fullmatch(error)
    if match is None:
        return Fault((), f"not valid TOML: {_uncapitalise(error)}", place=Place(1, 1))
    what = _TOML_KEY.sub(_show_key, match["what"])
    hint = next((hint for start, hint in _HINTS.items() if what.startswith(start)), "")
    if text.startswith("\ufeff"):
        hint = "save the file as UTF-8 without a byte order mark"
    if match["line"] is None:
        what, place = f"{what} at the end of the file", place_at_end(text)
    else:
        place = Place(int(match["line"]), int(match["column"]))
    return Fault((), f"not valid TOML: {_uncapitalise(what)}", hint, place=place)


def _show_key(match: re.Match[str]) -> str:
    return dotted(ast.literal_eval(match[0]))


def _uncapitalise(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")
