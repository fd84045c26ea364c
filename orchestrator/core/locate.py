"""Fault to Problem: looks up the line and column of each key path in the text of a definition.

tomllib keeps no positions, so the text is read once more by tree-sitter, which takes 30 ms to load: only when there is
a fault to place, and only on text that tomllib accepts, since tree-sitter recovers from syntax errors in its own way.
Floor: core.
"""

import tomllib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from attrs import frozen

from orchestrator.core.reject import MOST_FOUND
from orchestrator.core.suggest import complete_hint
from orchestrator.core.toml import read_toml
from orchestrator.model.place import KeyPath, Place
from orchestrator.model.problem import At, Fault, Problem, dotted

if TYPE_CHECKING:
    from tree_sitter import Node

MOST_TOLD = 100
"""Problems of one file that are told; a person mends the first ones first."""

LONGEST_KEY = 300
"""Characters of a key that are shown; the rest is cut off."""

_TOP = Place(1, 1)
_KEYS = ("bare_key", "quoted_key", "dotted_key")


@frozen
class _Spot:
    """Where a key path stands: ``value`` is the key's own place too for a table that a header or a dotted key makes."""

    key: Place
    value: Place
    implied: bool
    """Mentioned on the way to something else only, as ``a`` is in ``[a.b]``."""


def locate_faults(file: str, text: str | None, faults: Iterable[Fault]) -> tuple[Problem, ...]:
    """Each fault as a problem of ``file``, sorted by place: the first `MOST_TOLD`, and one that counts the others.
    Of more than `MOST_FOUND` the first ones found are looked at.

    A path that is not in the text (a missing key, or an item of nothing) has the place of what is nearest above it.
    Without text a fault without a place of its own stands at 1:1, and with text whose syntax is not TOML's.
    """
    all_faults = tuple(faults)
    faults = all_faults[:MOST_FOUND]
    sought = [fault.path for fault in faults if fault.place is None and fault.path]
    spots = _find_spots(text, sought) if text is not None and sought else {}
    placed = [(fault.place or _choose_place(fault, spots), fault) for fault in faults]
    placed.sort(key=lambda each: (each[0].line, each[0].column))
    problems = [
        Problem(file, place.line, place.column, dotted(_cut(fault.path)), fault.message, complete_hint(fault))
        for place, fault in placed[:MOST_TOLD]
    ]
    problems.sort()
    if len(placed) > MOST_TOLD:
        count = len(all_faults) - MOST_TOLD
        shown = f"at least {count}" if len(all_faults) >= MOST_FOUND else str(count)
        message = f"{shown} more problem{'' if count == 1 else 's'} from here on: only the first {MOST_TOLD} are told"
        # At the place of the first that is not told, so that it stays the last.
        place = placed[MOST_TOLD][0]
        problems.append(Problem(file, place.line, place.column, "", message))
    return tuple(problems)


def _cut(path: KeyPath) -> KeyPath:
    """The path as it is shown: a key may be as long as a file, and have a hundred problems below it."""
    return tuple(
        f"{key[: LONGEST_KEY - 1]}…" if isinstance(key, str) and len(key) > LONGEST_KEY else key for key in path
    )


def _choose_place(fault: Fault, spots: dict[KeyPath, _Spot]) -> Place:
    spot = spots.get(fault.path)
    if spot is not None:
        return spot.key if fault.at is At.KEY else spot.value
    above = (spots.get(fault.path[:length]) for length in range(len(fault.path) - 1, 0, -1))
    return next((spot.value for spot in above if spot is not None), _TOP)


def _find_spots(text: str, sought: Iterable[KeyPath]) -> dict[KeyPath, _Spot]:
    """The places of the sought paths and of all that lies on the way to them."""
    import tree_sitter_toml
    from tree_sitter import Language, Parser

    # A file is decoded strictly, but a caller's text may have what UTF-8 cannot write.
    encoded = text.encode("utf-8", "surrogatepass")
    root = Parser(Language(tree_sitter_toml.language())).parse(encoded).root_node
    # To read all of it once more by TOML's own reader would take as long as the rest.
    if root.has_error and isinstance(read_toml(text), Fault):
        return {}
    return _Walk(encoded, sought).run(root)


class _Walk:
    """One walk over a syntax tree along the sought paths; what leads to none of them is not looked into."""

    def __init__(self, encoded: bytes, sought: Iterable[KeyPath]) -> None:
        self._columns = _Columns(encoded)
        self._sought = set(sought)
        self._above = {path[:length] for path in self._sought for length in range(len(path))}
        self._spots: dict[KeyPath, _Spot] = {}
        self._counts: dict[KeyPath, int] = {}
        """How many items each array of tables has so far."""

    def run(self, root: "Node") -> dict[KeyPath, _Spot]:
        for node in root.named_children:
            if node.type == "pair":
                self._read(node, ())
            elif node.type in ("table", "table_array_element"):
                self._read_section(node)
        return self._spots

    def _read_section(self, section: "Node") -> None:
        """``[header]`` or ``[[header]]`` with the pairs below it."""
        path: KeyPath = ()
        parts = _split_key(section)
        for left, part in enumerate(parts, start=1 - len(parts)):
            path = (*path, _read_key(part))
            self._record(path, part, part, implied=left < 0)
            if left == 0 and section.type == "table_array_element":
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
                self._record(path, part, part, implied=left < 0)
            if path not in self._above:
                return
        for child in section.named_children:
            if child.type == "pair":
                self._read(child, path)

    def _read(self, pair: "Node", path: KeyPath) -> None:
        """``key = value`` in the table ``path``, and what is sought in the value."""
        stack = [(pair, path)]
        while stack:
            node, path = stack.pop()
            if node.type == "pair":
                stack += self._read_key_and_value(node, path)
            elif node.type == "inline_table":
                stack += [(child, path) for child in reversed(node.named_children)]
            elif node.type == "array":
                items = [child for child in node.named_children if child.type != "comment"]
                for index, item in enumerate(items):
                    self._record((*path, index), item, item)
                stack += [(item, (*path, index)) for index, item in enumerate(items) if (*path, index) in self._above]

    def _read_key_and_value(self, pair: "Node", path: KeyPath) -> "Iterator[tuple[Node, KeyPath]]":
        *_, value = (child for child in pair.named_children if child.type != "comment")
        parts = _split_key(pair)
        for part in parts:
            path = (*path, _read_key(part))
            last = part is parts[-1]
            self._record(path, part, value if last else part, implied=not last)
            if path not in self._above:
                return
        yield value, path

    def _record(self, path: KeyPath, key: "Node", value: "Node", *, implied: bool = False) -> None:
        """Keep the first mention, or the first that is not only on the way to something else."""
        if path not in self._sought and path not in self._above:
            return
        known = self._spots.get(path)
        if known is None or (known.implied and not implied):
            place = self._columns.place(key)
            self._spots[path] = _Spot(place, place if value is key else self._columns.place(value), implied)


class _Columns:
    """Places of nodes: the columns of the grammar are bytes. Each is counted on from the last one in its line."""

    def __init__(self, encoded: bytes) -> None:
        self._lines = encoded.split(b"\n")
        self._row = self._bytes = self._characters = 0

    def place(self, node: "Node") -> Place:
        row, column = node.start_point
        if row != self._row:
            self._row, self._bytes, self._characters = row, 0, 0
        line = self._lines[row]
        if column >= self._bytes:
            self._characters += _count(line[self._bytes : column])
        else:
            self._characters -= _count(line[column : self._bytes])
        self._bytes = column
        return Place(row + 1, self._characters + 1)


def _count(encoded: bytes) -> int:
    return len(encoded.decode("utf-8", "surrogatepass"))


def _split_key(node: "Node") -> "list[Node]":
    """The parts of the key of a pair or a header; the grammar nests the parts of a dotted one."""
    parts = []
    stack = [child for child in node.named_children if child.type in _KEYS][:1]
    while stack:
        part = stack.pop()
        if part.type == "dotted_key":
            stack += [child for child in part.named_children if child.type in _KEYS]
        else:
            parts.append(part)
    return parts[::-1]


def _read_key(part: "Node") -> str:
    """The key that a part stands for: TOML's own reader knows its escapes."""
    text = (part.text or b"").decode("utf-8", "surrogatepass")
    if part.type == "bare_key":
        return text
    if text.startswith("'") or "\\" not in text:
        return text[1:-1]
    return next(iter(tomllib.loads(f"{text} = 0")))
