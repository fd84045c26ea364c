"""The reference page of a definition and the table of its fields in README.md, both made of its JSON Schema.

So what stands there is what `orchestrator.core.schema` reads off the model: name, type, default, what an edit does, the
words for it and an example. Floor: core.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from orchestrator.core.schema_types import Schema

_INTRODUCTION = """\
# Definitions

A definition is one file, `NAME.toml` or `NAME.json`, for the container NAME. A field whose edit is *retune* changes
the agent's own settings only, one with *update* is changed live, one with *replace* gives the container a new instance;
of one with *by value* its text says when it does.
"""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DEFAULT = re.compile(r" ?Default: ([^.]+(?:\.[^.\s][^.]*)*)\.$")
_WORDS = {"string": "text", "boolean": "true or false", "integer": "a whole number", "number": "a number"}
_BY_FIELD = "by field"


def make_reference(schema: Schema) -> str:
    """The reference page in Markdown, for the schema of a definition."""
    page = _Page(schema["$defs"])
    parts = [_INTRODUCTION, *(page.write_field(*field) for field in _fields_of(schema)), page.write_types()]
    return "\n".join(parts)


def make_field_table(schema: Schema) -> str:
    """One line for each field, those of tables such as ``restart`` by dotted names, as a table in Markdown."""
    lines = ["| field | default | an edit is | what it is |", "|---|---|---|---|"]
    for name, field, required in _fields_of(schema):
        inner = _fields_of(field) if field["x-change"] == _BY_FIELD else [("", field, required)]
        for key, each, needed in inner:
            dotted = f"{name}.{key}" if key else name
            text, default = _split_default(each, needed)
            lines.append(f"| `{dotted}` | {default} | {each['x-change']} | {_cell(text)} |")
    return "\n".join(lines) + "\n"


@frozen
class OptionRow:
    """An option in words, with the backquotes of Markdown; only ``example`` is TOML as it is."""

    name: str
    type: str
    default: str
    change: str
    text: str
    example: str


def list_options(schema: Schema) -> tuple[OptionRow, ...]:
    """The options of a table, for its schema with the ``$defs`` that it refers to."""
    return _Page(schema["$defs"]).list_options(schema)


class _Page:
    """Writes the parts of a page. types: the schemas that are referred to, by name."""

    def __init__(self, types: Mapping[str, Schema]) -> None:
        self._types = types

    def write_field(self, name: str, field: Schema, required: bool) -> str:
        """The section of a field of the definition, with the tables that may be written in it."""
        text, default = _split_default(field, required)
        lines = [f"## `{name}`", "", text, "", f"- type: {self._name_type(field)}", f"- default: {default}"]
        lines += [
            f"- an edit is: {field['x-change']}",
            "",
            "```toml",
            f"{name} = {write_toml(_example_of(field))}",
            "```",
        ]
        for table in _tables_of(field):
            lines += ["", *self._write_table(table, field)]
        return "\n".join([*lines, ""])

    def write_types(self) -> str:
        """What the words for types mean."""
        lines = ["## Types", "", "| what | is written as |", "|---|---|"]
        lines += [f"| {each['title']} | {_cell(each['description'])} |" for each in self._types.values()]
        return "\n".join([*lines, ""])

    def _write_table(self, table: Schema, field: Schema) -> Iterator[str]:
        kind = table["properties"].get("type", {}).get("const")
        if kind is not None:
            yield f"`type = {write_toml(kind)}`: {_plain(table['description'])}"
        elif table is not field:
            yield _plain(table["description"])
        rows = self.list_options(table)
        if not rows:
            return
        yield from ("", "| field | type | default | an edit is | what it is | example |", "|---|---|---|---|---|---|")
        for row in rows:
            example = f"`{row.example}`" if row.example else ""
            cells = (f"`{row.name}`", row.type, row.default, row.change, row.text, example)
            yield f"| {' | '.join(_cell(cell) for cell in cells)} |"

    def list_options(self, table: Schema) -> tuple[OptionRow, ...]:
        """The options of a table, but for the key that says its kind."""
        return tuple(self._describe(*row) for row in _fields_of(table) if "const" not in row[1])

    def _describe(self, name: str, field: Schema, required: bool) -> OptionRow:
        text, default = _split_default(field, required)
        example = write_toml(_example_of(field)) if "examples" in field else ""
        return OptionRow(name, self._name_type(field), default, field["x-change"], text, example)

    def _name_type(self, node: Schema) -> str:
        return f"{self._name_plainly(node)}{_name_range(node)}"

    def _name_plainly(self, node: Schema) -> str:
        match node:
            case {"$ref": reference}:
                return str(self._types[reference.rpartition("/")[2]]["title"])
            case {"enum": choices}:
                return " or ".join(f"`{write_toml(choice)}`" for choice in choices)
            case {"oneOf": choices}:
                return " or ".join(dict.fromkeys(self._name_plainly(choice) for choice in choices))
            case {"type": "array"}:
                return f"a list; each is {self._name_plainly(node['items'])}"
            case {"type": "object", "propertyNames": names}:
                return f"a table; by {self._name_plainly(names)}, {self._name_plainly(node['additionalProperties'])}"
            case {"type": "object"}:
                return "a table"
            case _:
                return _WORDS[node["type"]]


def write_toml(value: Any) -> str:  # noqa: ANN401 - JSON data
    """A value as TOML, on one line."""
    match value:
        case dict():
            inside = ", ".join(f"{_write_key(key)} = {write_toml(item)}" for key, item in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case list():
            return f"[{', '.join(map(write_toml, value))}]"
        case bool():
            return "true" if value else "false"
        case str():
            # JSON's escapes are TOML's too, save for DEL, which TOML wants escaped.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return str(value)


def _write_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else write_toml(key)


def _fields_of(table: Schema) -> list[tuple[str, Schema, bool]]:
    """The fields of a table with their names, and whether they must be written."""
    return [(name, field, name in table.get("required", ())) for name, field in table["properties"].items()]


def _tables_of(node: Schema) -> Iterator[Schema]:
    """The tables of known keys that may stand somewhere in a field."""
    if "properties" in node:
        yield node
    for inner in (node.get("items"), node.get("additionalProperties"), *node.get("oneOf", ())):
        if isinstance(inner, dict):
            yield from _tables_of(inner)


def _split_default(field: Schema, required: bool) -> tuple[str, str]:
    """What a field is, and its default: that of the schema, or what its words say at their end."""
    text = field["description"]
    match = _DEFAULT.search(text)
    if match is not None:
        return text[: match.start()], match[1]
    if required:
        return text, "required"
    default = field.get("default")
    if isinstance(default, dict) and default.keys() == {"type"}:
        default = default["type"]
    return text, "none" if default in (None, [], {}) else f"`{write_toml(default)}`"


def _example_of(field: Schema) -> Any:  # noqa: ANN401 - JSON data
    return field["examples"][0]


def _name_range(node: Schema) -> str:
    low, high = (node.get(name, node.get(f"x-{name}")) for name in ("minimum", "maximum"))
    if low is None and high is None:
        return ""
    if high is None:
        return f", at least `{write_toml(low)}`"
    return f", at most `{write_toml(high)}`" if low is None else f", `{write_toml(low)}` to `{write_toml(high)}`"


def _plain(doc: str) -> str:
    """A docstring's words in Markdown."""
    return doc.replace("``", "`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
