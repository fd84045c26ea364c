"""A user's mistake as a value: first a fault (what is wrong with which key), then a problem (the same with its place).

Decisions find faults and go on, so that all of them are told at once; `orchestrator.core.locate` gives each its place.
Floor: model.
"""

import re
from collections.abc import Iterable
from enum import Enum

from attrs import evolve, field, frozen

from orchestrator.model.place import KeyPath, Place

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class At(Enum):
    """Which half of a key path a fault is about."""

    KEY = "key"
    VALUE = "value"


@frozen
class Guess:
    """A ``word`` that was probably meant to be one of ``known``. Which is looked for when the fault is told, so that a
    file with thousands of faults costs no thousands of searches."""

    word: str
    known: tuple[str, ...]


@frozen
class Fault:
    """What is wrong with the value (or the key) at ``path`` of a definition, before its place is looked up.

    ``message`` is lower case, without a period, and quotes the offending value; ``hint`` says what to write instead.
    ``place`` is given only where it is known already, as for a syntax error. A missing key is a fault of its table.
    ``guess`` becomes the hint "did you mean" where something similar is known; ``hint`` is for the other case.
    ``lasting``: whatever else changes on the host, only an edit mends it, so it need not be looked for again.
    """

    path: KeyPath
    message: str
    hint: str = ""
    at: At = At.VALUE
    place: Place | None = None
    guess: Guess | None = None
    lasting: bool = False

    def below(self, *prefix: str | int) -> "Fault":
        """The same fault seen from further up: ``prefix`` is put before its path."""
        return evolve(self, path=(*prefix, *self.path))


@frozen(order=True)
class Problem:
    """A fault with its place: ``file:line:column: path: message``. Sorts by file, then by place.

    ``line`` and ``column`` count from 1 (``column`` in characters); a problem of the whole file stands at 1:1.
    ``path`` is the dotted key path as one would write it in TOML, empty for the whole file.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = field(default="")

    def __str__(self) -> str:
        head = f"{self.file}:{self.line}:{self.column}: "
        text = f"{self.path}: {self.message}" if self.path else self.message
        return f"{head}{text} ({self.hint})" if self.hint else f"{head}{text}"


def dotted(path: Iterable[str | int]) -> str:
    """A key path as TOML writes it: ``mounts."/data".source``, ``args[0]``."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
            continue
        quoted = key if _BARE_KEY.fullmatch(key) else _quote(key)
        text += f".{quoted}" if text else quoted
    return text


def _quote(key: str) -> str:
    """A basic string of TOML; what cannot be printed is escaped, so that a path is always one line."""
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else _escape(char) for char in escaped) + '"'


def _escape(char: str) -> str:
    number = ord(char)
    return f"\\u{number:04X}" if number <= 0xFFFF else f"\\U{number:08X}"
