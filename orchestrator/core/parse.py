"""Source to Definition: reads the text of one file, or says everything that is wrong with it.

Only the file itself is looked at: what it names is for `orchestrator.core.resolve`. Where a fault stands in the text is
`orchestrator.core.locate`'s part, except for a syntax error, whose place only the reader of TOML knows. Floor: core.
"""

import ast
import re
import tomllib

from attrs import field, frozen
from cattrs import Converter

from orchestrator.core.converter import make_converter
from orchestrator.core.reject import Rejected
from orchestrator.model.definition import Definition
from orchestrator.model.place import Place
from orchestrator.model.problem import Fault, dotted
from orchestrator.model.registry import Registry
from orchestrator.model.source import Source

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


@frozen
class Parser:
    """Reads definitions with the kinds of one registry. Making one costs milliseconds, parsing tenths of them."""

    registry: Registry
    _converter: Converter = field(init=False, repr=False, eq=False)

    @_converter.default
    def _make_converter(self) -> Converter:
        return make_converter(self.registry)

    def parse(self, source: Source) -> Definition | tuple[Fault, ...]:
        """The definition that ``source`` holds, or all its faults. Never raises for anything that a file may hold."""
        if source.text is None:
            return (Fault((), source.error or "cannot be read"),)
        table = read_toml(source.text)
        if isinstance(table, Fault):
            return (table,)
        try:
            definition: Definition = self._converter.structure(table, Definition)
        except Rejected as rejected:
            return rejected.faults
        return definition


def parse_definition(source: Source, registry: Registry) -> Definition | tuple[Fault, ...]:
    """`Parser.parse` for a single file."""
    return Parser(registry).parse(source)


def read_toml(text: str) -> dict[str, object] | Fault:
    """The table that a TOML document is, or the fault of its first syntax error, with its place."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        return Fault((), "not valid TOML: lists or tables are nested too deep", place=Place(1, 1))
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
        what, place = f"{what} at the end of the file", _find_end(text)
    else:
        place = Place(int(match["line"]), int(match["column"]))
    return Fault((), f"not valid TOML: {_uncapitalise(what)}", hint, place=place)


def _find_end(text: str) -> Place:
    """The place after the last character that is seen: empty lines at the end of a file show nothing."""
    lines = text.rstrip().split("\n")
    return Place(len(lines), len(lines[-1]) + 1)


def _show_key(match: re.Match[str]) -> str:
    return dotted(ast.literal_eval(match[0]))


def _uncapitalise(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")
