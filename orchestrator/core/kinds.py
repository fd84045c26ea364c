"""What people and programs are told of the kinds of plugins: which there are, where from, and what can be written.

All of it is read off the kinds themselves, by way of their schema. Floor: core.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from orchestrator.core.plugged import NOUNS
from orchestrator.core.reference import OptionRow, list_options
from orchestrator.core.schema import make_kind_schema
from orchestrator.core.schema_types import Schema
from orchestrator.model.registry import Group, Origin, Registry

HEADERS = ("KIND", "NAME", "FROM", "WHAT IT IS")
"""Of the list of kinds; `write_row` has its lines."""

_KEYS: Mapping[Group, str] = {Group.MOUNTS: 'mounts."/data"', Group.NETWORKS: "network"}
"""Where a definition has a kind of a group."""


@frozen(kw_only=True)
class KindPage:
    """A kind as a page about it: ``schema`` and ``rows`` of its options, or why it cannot be used."""

    group: Group
    name: str
    origin: Origin
    description: str = ""
    reason: str = ""
    schema: Schema | None = None
    rows: tuple[OptionRow, ...] = ()

    @property
    def noun(self) -> str:
        """``mount``, ``network``."""
        return NOUNS[self.group]

    @property
    def source(self) -> str:
        """Where it comes from, in a word or two."""
        return "built in" if self.origin.builtin else f"{self.origin}" or "unknown"

    @property
    def usage(self) -> str:
        """A line of a definition that uses it, with the options that have to be written."""
        key = _KEYS[self.group]
        needed = [f"{row.name} = {row.example}" for row in self.rows if row.default == "required"]
        if not needed:
            return f'{key} = "{self.name}"'
        return f'{key} = {{ type = "{self.name}", {", ".join(needed)} }}'

    def to_json(self) -> dict[str, Any]:
        """As data, for programs."""
        return {
            "group": self.group.value,
            "kind": self.noun,
            "name": self.name,
            "origin": {
                "distribution": self.origin.distribution,
                "version": self.origin.version,
                "place": self.origin.place,
                "builtin": self.origin.builtin,
            },
            "usable": not self.reason,
            "reason": self.reason,
            "description": self.description,
            "usage": "" if self.reason else self.usage,
            "options": list(self._list_options()),
            "schema": self.schema,
        }

    def _list_options(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            assert self.schema is not None, "rows are read off it"
            yield {
                "name": row.name,
                "type": row.type.replace("`", ""),
                "required": row.name in self.schema.get("required", ()),
                "default": self.schema["properties"][row.name].get("default"),
                "change": row.change,
                "doc": self.schema["properties"][row.name]["description"],
                "example": row.example,
            }


def list_kinds(registry: Registry, name: str = "") -> tuple[KindPage, ...]:
    """A page for each kind, by group and name: for all, or for those of this name, of which each group may have one."""
    pages = [
        *(_describe(registry, group, each, kind) for group, each, kind in registry),
        *(_describe_unusable(registry, group, each) for group in Group for each in registry.unusable_of(group)),
    ]
    groups = list(Group)
    wanted = [page for page in pages if name in ("", page.name)]
    return tuple(sorted(wanted, key=lambda page: (groups.index(page.group), page.name)))


def write_page(page: KindPage) -> str:
    """A page as text for a terminal."""
    lines = [f"{page.noun} {page.name}: {_first_line(page)}", "", f"from: {page.source}"]
    if page.origin.place and not (page.origin.builtin or page.source == page.origin.place):
        lines[-1] += f" ({page.origin.place})"
    if page.reason:
        return "\n".join([*lines, f"it cannot be used: {page.reason}", ""])
    lines += ["", f"    {page.usage}", ""]
    if not page.rows:
        lines.append("It has no options.")
    for row in page.rows:
        default = row.default.replace("`", "")
        needed = "must be written" if default == "required" else f"default {default}"
        lines += [f"{row.name}: {row.type.replace('`', '')}", f"    {row.text}"]
        lines += [f"    {needed}; an edit: {row.change}; example: {row.name} = {row.example}", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def write_row(page: KindPage) -> tuple[str, str, str, str]:
    """A line of the list of kinds."""
    return page.noun, page.name, page.source, f"cannot be used: {page.reason}" if page.reason else _first_line(page)


def _first_line(page: KindPage) -> str:
    return page.description.partition(". ")[0].rstrip(".") if page.description else "(no description)"


def _describe(registry: Registry, group: Group, name: str, kind: type[Any]) -> KindPage:
    origin = registry.origin_of(group, name)
    try:
        schema = make_kind_schema(kind, registry)
    except Exception as error:  # somebody's code: what it is about says the message
        return KindPage(group=group, name=name, origin=origin, reason=f"its options cannot be read: {error}")
    return KindPage(
        group=group,
        name=name,
        origin=origin,
        description=schema["description"],
        schema=schema,
        rows=list_options(schema),
    )


def _describe_unusable(registry: Registry, group: Group, name: str) -> KindPage:
    unusable = registry.unusable_of(group)[name]
    return KindPage(group=group, name=name, origin=unusable.origin, reason=unusable.reason)
