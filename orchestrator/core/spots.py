"""Where key paths stand in a text, as the walks over syntax trees find it: of every form alike. Floor: core."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import frozen

from orchestrator.model.place import KeyPath, Place

if TYPE_CHECKING:
    from tree_sitter import Node


@frozen
class Spot:
    """Where a key path stands: ``value`` is the key's own place too for a table that a header or a dotted key makes."""

    key: Place
    value: Place
    implied: bool = False
    """Mentioned on the way to something else only, as ``a`` is in ``[a.b]``."""


class Columns:
    """Places of nodes: the columns of the grammar are bytes. Each is counted on from the last one in its line."""

    def __init__(self, encoded: bytes) -> None:
        self._lines = encoded.split(b"\n")
        self._row = self._bytes = self._characters = 0

    def place(self, node: "Node") -> Place:
        """The line and column, in characters, of a node's beginning."""
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


def lead_to(sought: Iterable[KeyPath]) -> set[KeyPath]:
    """The paths above the sought ones: only those need be looked into."""
    return {path[:length] for path in sought for length in range(len(path))}


def _count(encoded: bytes) -> int:
    return len(encoded.decode("utf-8", "surrogatepass"))
