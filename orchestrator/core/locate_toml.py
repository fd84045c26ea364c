"""Where key paths stand in a TOML text.

tomllib keeps no positions, so the text is read once more by tree-sitter; only what tomllib accepts, since tree-sitter
recovers from syntax errors in its own way. Loaded only when there is a fault to place: it takes 30 ms. Floor: core.
"""

import tomllib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import tree_sitter_toml
from tree_sitter import Language, Parser

from orchestrator.core.spots import Columns, Spot, lead_to
from orchestrator.core.toml import read_toml
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Fault

if TYPE_CHECKING:
    from tree_sitter import Node

_KEYS = ("bare_key", "quoted_key", "dotted_key")


def find_spots(text: str, sought: Iterable[KeyPath]) -> dict[KeyPath, Spot]:
    """The places of the sought paths and of all that lies on the way to them; none where the syntax is wrong."""
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
        self._columns = Columns(encoded)
        self._sought = set(sought)
        self._above = lead_to(self._sought)
        self._spots: dict[KeyPath, Spot] = {}
        self._counts: dict[KeyPath, int] = {}
        """How many items each array of tables has so far."""

    def run(self, root: "Node") -> dict[KeyPath, Spot]:
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
            self._spots[path] = Spot(place, place if value is key else self._columns.place(value), implied)


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
