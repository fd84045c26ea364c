"""Fault to Problem: looks up the line and column of each key path in the text of a definition.

tomllib keeps no positions, so the text is read once more by tree-sitter, which takes 30 ms to load: only when there is
a fault to place, and only on text that tomllib accepts, since tree-sitter recovers from syntax errors in its own way.
Floor: core.
"""

import tomllib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from attrs import frozen

from orchestrator.model.place import KeyPath, Place
from orchestrator.model.problem import At, Fault, Problem, dotted

if TYPE_CHECKING:
    from tree_sitter import Node

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
    """Each fault as a problem of ``file``, sorted by place.

    A path that is not in the text (a missing key, or an item of nothing) has the place of what is nearest above it.
    Without text, or with text that is not TOML, a fault without a place of its own stands at 1:1.
    """
    faults = tuple(faults)
    sought = [fault.path for fault in faults if fault.place is None and fault.path]
    spots = _find_spots(text, sought) if text is not None and sought and _is_toml(text) else {}
    problems = []
    for fault in faults:
        place = fault.place or _choose_place(fault, spots)
        problems.append(Problem(file, place.line, place.column, dotted(fault.path), fault.message, fault.hint))
    return tuple(sorted(problems))


def _choose_place(fault: Fault, spots: dict[KeyPath, _Spot]) -> Place:
    spot = spots.get(fault.path)
    if spot is not None:
        return spot.key if fault.at is At.KEY else spot.value
    above = (spots.get(fault.path[:length]) for length in range(len(fault.path) - 1, 0, -1))
    return next((spot.value for spot in above if spot is not None), _TOP)


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _find_spots(text: str, sought: Iterable[KeyPath]) -> dict[KeyPath, _Spot]:
    """The places of the sought paths and of all that lies on the way to them."""
    import tree_sitter_toml
    from tree_sitter import Language, Parser

    # A file is decoded strictly, but a caller's text may have what UTF-8 cannot write.
    encoded = text.encode("utf-8", "surrogatepass")
    root = Parser(Language(tree_sitter_toml.language())).parse(encoded).root_node
    return _Walk(encoded, sought).run(root)


class _Walk:
    """One walk over a syntax tree along the sought paths, by a stack of its own: a key may have thousands of dots."""

    def __init__(self, encoded: bytes, sought: Iterable[KeyPath]) -> None:
        self._lines = encoded.split(b"\n")
        self._wanted = {path[:length] for path in sought for length in range(len(path) + 1)}
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
            path, place = (*path, _read_key(part)), self._place(part)
            self._record(path, place, place, implied=left < 0)
            if left == 0 and section.type == "table_array_element":
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
                self._record(path, place, place, implied=left < 0)
            if path not in self._wanted:
                return
        for child in section.named_children:
            if child.type == "pair":
                self._read(child, path)

    def _read(self, pair: "Node", path: KeyPath) -> None:
        """``key = value`` in the table ``path``, and what is sought in the value."""
        stack = [(pair, path)]
        while stack:
            node, path = stack.pop()
            inner = [child for child in node.named_children if child.type != "comment"]
            if node.type == "pair" and len(inner) > 1:
                stack += self._read_key_and_value(node, inner[-1], path)
            elif node.type == "inline_table":
                stack += [(child, path) for child in inner]
            elif node.type == "array":
                for index, item in enumerate(inner):
                    place = self._place(item)
                    self._record((*path, index), place, place)
                    stack.append((item, (*path, index)))

    def _read_key_and_value(self, pair: "Node", value: "Node", path: KeyPath) -> "Iterator[tuple[Node, KeyPath]]":
        parts = _split_key(pair)
        for part in parts:
            path, place = (*path, _read_key(part)), self._place(part)
            last = part is parts[-1]
            self._record(path, place, self._place(value) if last else place, implied=not last)
            if path not in self._wanted:
                return
        yield value, path

    def _record(self, path: KeyPath, key: Place, value: Place, *, implied: bool = False) -> None:
        """Keep the first mention, or the first that is not only on the way to something else."""
        known = self._spots.get(path)
        if path in self._wanted and (known is None or (known.implied and not implied)):
            self._spots[path] = _Spot(key, value, implied)

    def _place(self, node: "Node") -> Place:
        row, column = node.start_point
        before = self._lines[row][:column].decode("utf-8", "surrogatepass")
        return Place(row + 1, len(before) + 1)


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
    return text if part.type == "bare_key" else next(iter(tomllib.loads(f"{text} = 0")))
