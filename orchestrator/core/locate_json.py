"""Where key paths stand in a JSON text.

Python's reader keeps no positions, so the text is read once more by tree-sitter; only what that reader accepts, since
tree-sitter recovers from syntax errors in its own way. Loaded only when there is a fault to place. Floor: core.
"""

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import tree_sitter_json
from tree_sitter import Language, Parser

from orchestrator.core.json_text import is_json
from orchestrator.core.spots import Columns, Spot, lead_to
from orchestrator.model.place import KeyPath

if TYPE_CHECKING:
    from tree_sitter import Node

_PLUS = re.compile(rb"(?<=[0-9][eE])\+(?=[0-9])")
"""The sign in ``1e+5``, which the grammar's releases to 0.24 take for an error (tree-sitter-json's request 64)."""

_VALUES = ("object", "array", "string", "number", "true", "false", "null")


def find_spots(text: str, sought: Iterable[KeyPath]) -> dict[KeyPath, Spot]:
    """The places of the sought paths and of all that lies on the way to them; none where the syntax is wrong. A key
    that is written twice stands where it does so last."""
    if not is_json(text):
        return {}
    # A file is decoded strictly, but a caller's text may have what UTF-8 cannot write.
    encoded = text.encode("utf-8", "surrogatepass")
    root = Parser(Language(tree_sitter_json.language())).parse(_PLUS.sub(b"0", encoded)).root_node
    sought = set(sought)
    wanted = sought | lead_to(sought)
    columns = Columns(encoded)
    spots: dict[KeyPath, Spot] = {}
    stack: list[tuple[Node, KeyPath]] = [(node, ()) for node in _values(root)]
    while stack:
        node, path = stack.pop()
        if node.type == "pair":
            key, value = node.child_by_field_name("key"), node.child_by_field_name("value")
            if key is None or value is None:
                continue
            path = (*path, _read_key(encoded[key.start_byte : key.end_byte]))
            if path in wanted:
                spots[path] = Spot(columns.place(key), columns.place(value))
                stack.append((value, path))
        elif node.type == "object":
            stack += [(child, path) for child in reversed(node.named_children) if child.type == "pair"]
        elif node.type == "array":
            for index, item in reversed(list(enumerate(_values(node)))):
                inner = (*path, index)
                if inner in wanted:
                    place = columns.place(item)
                    spots[inner] = Spot(place, place)
                    stack.append((item, inner))
    return spots


def _read_key(encoded: bytes) -> str:
    key: str = json.loads(encoded.decode("utf-8", "surrogatepass"))
    return key


def _values(node: "Node") -> "list[Node]":
    return [child for child in node.named_children if child.type in _VALUES]
