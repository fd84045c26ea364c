"""Text to the plain values of JSON, or the faults of its syntax, in the words of people.

Strict as RFC 8259 is, and where it leaves a choice: no key twice, no NaN, no number that nothing can hold. Python's own
reader lets all of them through and keeps no positions, so the pieces of the text are looked at as well. Floor: core.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from orchestrator.core.shape import MOST_NESTED, TOO_DEEP, check_length, place_at, place_at_end
from orchestrator.core.suggest import describe_value, quote
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import At, Fault

_TOKEN = re.compile(
    r"(?P<text>\"(?:[^\"\\]|\\[\s\S])*\")"
    r"|(?P<open>[\[{])"
    r"|(?P<close>[\]}])"
    r"|(?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<word>-?[A-Za-z]+)"
    r"|(?P<other>[^\[\]{}\"A-Za-z0-9-]+|-)"
)
"""A piece of a JSON text. No two alternatives begin alike but a sign, so there is little to go back over."""

_LONGEST_INTEGER = 400
"""Digits above which int() is not called: it is slow with thousands of them, and no float holds so many."""

_QUOTES = 'text stands in double quotes: "text"; a list in brackets, a table in braces; true and false are small'

_EXPLAINED = {
    "Expecting value": ("expected a value", _QUOTES),
    "Expecting property name": ("expected a key in double quotes", 'write "key": "value"'),
    "Expecting ':'": ("expected ':' after the key", 'write "key": "value"'),
    "Expecting ','": ("expected ','", "a comma stands between two entries; a list ends with ], a table with }"),
    "Extra data": ("there is something after the end", "a file holds one table in braces"),
    "Unterminated string": ("the string is not closed", 'close it with "'),
    "Invalid control character": ("a control character in a string", r"write \u and four hexadecimal digits"),
    "Invalid \\escape": ("unknown escape in a string", r"write \\ for a backslash"),
    "Invalid \\uXXXX": ("unknown escape in a string", r"write \u and four hexadecimal digits"),
    "Illegal trailing comma": ("there is nothing after the comma", "take the comma away"),
    "Unexpected UTF-8 BOM": ("it begins with a byte order mark", "save the file as UTF-8 without a byte order mark"),
}
"""What is wrong and what to do about it, by how the message of Python's reader begins."""


def read_json(text: str) -> dict[str, object] | tuple[Fault, ...]:
    """The table that a JSON document is; or the fault of its first syntax error, with its place; or all that is no
    syntax error but cannot be meant."""
    faults = _check_shape(text)
    if faults:
        return faults
    repeated = _Repeated()
    try:
        value = json.loads(text, object_pairs_hook=repeated.make_table, parse_int=_read_integer)
    except json.JSONDecodeError as error:
        return (_explain_syntax(error),)
    faults = (*_find_strange(text), *repeated.find(value))
    if faults:
        return faults
    if type(value) is not dict:
        start = place_at(text, len(text) - len(text.lstrip()))
        message = f"expected a table in braces, found {describe_value(value)}"
        return (Fault((), message, 'write { "args": ["/usr/bin/env"] }', place=start),)
    return value


def is_json(text: str) -> bool:
    """Whether the syntax is right, and not nested deeper than `read_json` allows."""
    if _check_shape(text):
        return False
    try:
        json.loads(text, parse_int=_read_integer)
    except json.JSONDecodeError:
        return False
    return True


def _check_shape(text: str) -> tuple[Fault, ...]:
    """What makes it too much for Python's reader, which calls itself for what is nested. In time linear in its
    length."""
    if (too_long := check_length(text)) is not None:
        return (too_long,)
    depth = 0
    for token in _split(text):
        depth += {"open": 1, "close": -1}.get(token.lastgroup or "", 0)
        if depth > MOST_NESTED:
            return (Fault((), TOO_DEEP, place=place_at(text, token.start())),)
    return ()


def _find_strange(text: str) -> Iterator[Fault]:
    """What Python's reader lets through in a text whose syntax is right."""
    for token in _split(text):
        match token.lastgroup:
            case "word" if token[0] not in ("true", "false", "null"):
                yield Fault((), f"not valid JSON: {token[0]} is no number", place=place_at(text, token.start()))
            case "number" if math.isinf(float(token[0])):
                message = f"the number {_shorten(token[0])} is too large"
                yield Fault((), message, place=place_at(text, token.start()))
            case "text" if not _is_unicode(json.loads(token[0]) if "\\u" in token[0] else token[0]):
                message = f"the string {_shorten(token[0])} has half a character: a surrogate without the other"
                yield Fault((), message, place=place_at(text, token.start()))


def _split(text: str) -> Iterator[re.Match[str]]:
    """The pieces, up to a string that is not closed: Python's reader will come as far, and say so."""
    position = 0
    while (token := _TOKEN.match(text, position)) is not None:
        yield token
        position = token.end()


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _shorten(written: str) -> str:
    return written if len(written) <= 40 else f"{written[:39]}…"


def _read_integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else math.inf


class _Repeated:
    """Keys that a table has twice, of which Python's reader keeps the last value only."""

    def __init__(self) -> None:
        # By identity, since a path is known from above only; the tables are kept, so that no identity is used twice.
        self._keys: dict[int, tuple[dict[str, Any], list[str]]] = {}

    def make_table(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """The table of these keys and values, whichever of a key's values comes last."""
        table = dict(pairs)
        if len(table) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            self._keys[id(table)] = table, [name for name, count in counts.items() if count > 1]
        return table

    def find(self, value: object, path: KeyPath = ()) -> Iterator[Fault]:
        """The faults of all tables in ``value``; their place is that of the key's last mention."""
        if not self._keys:
            return
        if isinstance(value, dict):
            _, names = self._keys.get(id(value), ({}, []))
            for name in names:
                yield Fault((*path, name), f"the key {quote(name)} is written twice", "take one away", At.KEY)
        for key, item in _items(value):
            yield from self.find(item, (*path, key))


def _items(value: object) -> Iterator[tuple[str | int, object]]:
    match value:
        case dict():
            yield from value.items()
        case list():
            yield from enumerate(value)


def _explain_syntax(error: json.JSONDecodeError) -> Fault:
    text, position = error.doc, error.pos
    what, hint = next(
        (explained for start, explained in _EXPLAINED.items() if error.msg.startswith(start)),
        (error.msg[:1].lower() + error.msg[1:], ""),
    )
    before = text[:position].rstrip()
    if text[position : position + 1] in ("]", "}") and before.endswith(","):
        # Python 3.13 says so itself, and points at the comma.
        (what, hint), position = _EXPLAINED["Illegal trailing comma"], len(before) - 1
    elif text[position : position + 1] in ("\r", "\n") and error.msg.startswith("Invalid control character"):
        what, hint = "the string is not closed on its line", r'close it with ", or write \n for a line end inside'
    elif text[position : position + 1] in ("/", "#"):
        hint = "JSON has no comments"
    if text[position:].strip():
        return Fault((), f"not valid JSON: {what}", hint, place=place_at(text, position))
    return Fault(
        (),
        f"not valid JSON: {what} at the end of the file",
        "a table ends with }, a list with ]",
        place=place_at_end(text),
    )
