"""The JSON Schema (2020-12) of a definition, with the kinds of plugins that are installed, read off the model.

For editors, and for those who make definitions by program: https://json-schema.org/draft/2020-12. Whatever the parser
takes the schema takes too; what a schema cannot say (the range of a duration, that a file is there) the parser tells.
``x-change`` is what an edit of the field does, ``x-minimum`` and ``x-maximum`` are bounds of what is written as text.
Floor: core.
"""

import tomllib
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
from attrs import field, frozen

from orchestrator.core.choice import TYPE
from orchestrator.core.converter import DEFAULT_MOUNT, MOST_MOUNTS
from orchestrator.core.fields import default_of, write_value
from orchestrator.core.schema_types import TEXT, TYPES, Schema
from orchestrator.core.tables import MOST_ENTRIES, required_options
from orchestrator.core.together import BESIDE_BUNDLE, RUNS
from orchestrator.model.definition import Definition
from orchestrator.model.health import HEALTH_KINDS, ExecHealth, Health
from orchestrator.model.kinds import MountKind, NetworkKind
from orchestrator.model.log import LOG_KINDS, Log
from orchestrator.model.option import options_of
from orchestrator.model.policy import ContainerType, Ready
from orchestrator.model.registry import Group, Registry
from orchestrator.model.rootfs import ROOTFS_KINDS, Rootfs
from orchestrator.model.types import Duration, Size

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SCALARS: Mapping[Any, Schema] = {
    str: TEXT,
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
}

_COMMAND: Schema = {"minItems": 1, "prefixItems": [{**TEXT, "minLength": 1}]}
"""What a list must be to be a command."""


def _when(key: str, value: str, then: Schema) -> Schema:
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def _ready_by(*ways: Ready) -> Schema:
    return {"properties": {"ready": {"enum": [way.value for way in ways]}}}


_TOGETHER: list[Schema] = [
    {
        "if": {"required": ["bundle"]},
        "then": {
            "propertyNames": {"enum": sorted({*BESIDE_BUNDLE, "bundle"})},
            **_ready_by(Ready.STARTED, Ready.HEALTHY),
        },
    },
    _when("ready", Ready.HEALTHY.value, {"required": ["health"]}),
    _when("type", ContainerType.ONESHOT.value, _ready_by(Ready.STARTED)),
]
"""What `orchestrator.core.together` finds, as far as a schema can say it."""


def make_schema(registry: Registry) -> Schema:
    """The schema of a definition, as JSON data. Raises TypeError for a kind whose options no file can hold."""
    maker = _Maker(registry)
    schema = maker.describe_class(Definition)
    schema["properties"]["args"] |= _COMMAND
    schema["properties"]["cmd"] |= {"allOf": [{"pattern": r"\S"}]}
    schema["properties"]["mounts"]["maxProperties"] = MOST_MOUNTS
    return {
        "$schema": DIALECT,
        "title": "a definition of orchestrator",
        **schema,
        "oneOf": [{"required": [key]} for key in RUNS],
        "dependentRequired": {"shell": ["cmd"]},
        "allOf": _TOGETHER,
        "$defs": dict(sorted(maker.types.items())),
    }


def make_kind_schema(kind: type[Any], registry: Registry) -> Schema:
    """The schema of the options of a plugin's kind, with the ``$defs`` that it refers to. Raises TypeError as
    `make_schema` does."""
    maker = _Maker(registry)
    schema = maker.describe_class(kind)
    return {**schema, "$defs": dict(sorted(maker.types.items()))}


@frozen
class _Maker:
    """Walks the types as `orchestrator.core.converter` does. ``types``: those of `TYPES` met on the way, by name."""

    registry: Registry
    types: dict[str, Schema] = field(factory=dict)

    def describe_class(self, cls: type[Any]) -> Schema:
        """A table whose keys are the options of a class."""
        hints = get_type_hints(cls)
        schema: Schema = {
            "type": "object",
            "description": _first_paragraph(cls),
            "properties": {
                declared.alias or declared.name: self._describe_option(declared, hints[declared.name])
                for declared in options_of(cls)
            },
            "additionalProperties": False,
        }
        if cls is ExecHealth:
            schema["properties"]["args"] |= _COMMAND
        if required := list(required_options(cls)):
            schema["required"] = required
        return schema

    def _describe_option(self, declared: "attrs.Attribute[Any]", hint: Any) -> Schema:  # noqa: ANN401 - a type
        metadata = declared.metadata
        wanted = _without_none(hint)
        schema = self.describe(wanted)
        schema |= {"description": metadata["doc"], **self._describe_range(wanted, schema, metadata)}
        default = default_of(declared)
        if default is not attrs.NOTHING and default is not None:
            schema["default"] = write_value(default, wanted, self.registry)
        if metadata["example"]:
            schema["examples"] = [tomllib.loads(f"example = {metadata['example']}")["example"]]
        schema["x-change"] = metadata["change"].value
        return schema

    def _describe_range(self, wanted: object, schema: Schema, metadata: Mapping[str, Any]) -> Schema:
        limits = {name: metadata[name] for name in ("minimum", "maximum") if metadata[name] is not None}
        if wanted is Duration or wanted is Size:
            return {f"x-{name}": write_value(limit, wanted, self.registry) for name, limit in limits.items()}
        return {name: int(limit) if schema.get("type") == "integer" else limit for name, limit in limits.items()}

    def describe(self, wanted: Any) -> Schema:  # noqa: ANN401 - a type of the model
        """What a file may write for a type."""
        if wanted in TYPES:
            name, schema = TYPES[wanted]
            self.types[name] = schema
            return {"$ref": f"#/$defs/{name}"}
        kinds = self._kinds_of(wanted)
        if kinds is not None:
            return self._describe_kinds(*kinds)
        if wanted in _SCALARS:
            return dict(_SCALARS[wanted])
        origin, arguments = get_origin(wanted), get_args(wanted)
        if origin is tuple:
            return {"type": "array", "items": self.describe(arguments[0]), "maxItems": MOST_ENTRIES}
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {
                "type": "object",
                "propertyNames": self.describe(arguments[0]),
                "additionalProperties": self.describe(arguments[1]),
                "maxProperties": MOST_ENTRIES,
            }
        if isinstance(wanted, type) and issubclass(wanted, Enum):
            return {"enum": [member.value for member in wanted]}
        if attrs.has(wanted):
            return self._describe_table(wanted)
        raise TypeError(f"no option can be {wanted!r}")

    def _describe_table(self, cls: type[Any]) -> Schema:
        table, shorthand = self.describe_class(cls), getattr(cls, "shorthand", "")
        if not shorthand:
            return table
        return {"oneOf": [self.describe(_without_none(get_type_hints(cls)[shorthand])), table]}

    def _kinds_of(self, wanted: Any) -> tuple[Mapping[str, type[Any]], str] | None:  # noqa: ANN401 - a type
        """The kinds that a value may be of, and which it is where ``type`` is not written (or nothing)."""
        if wanted == Rootfs:
            return ROOTFS_KINDS, ""
        if wanted == Log:
            return LOG_KINDS, ""
        if wanted == Health:
            return HEALTH_KINDS, ""
        if wanted is MountKind:
            return self.registry.of(Group.MOUNTS), DEFAULT_MOUNT
        if wanted is NetworkKind:
            return self.registry.of(Group.NETWORKS), ""
        return None

    def _describe_kinds(self, kinds: Mapping[str, type[Any]], default: str) -> Schema:
        """One table for each kind, told apart by ``type``; and the bare names of those that need no option."""
        bare = [name for name, kind in kinds.items() if not required_options(kind)]
        choices: list[Schema] = [{"enum": bare}] if bare else []
        for name, kind in kinds.items():
            table = self.describe_class(kind)
            table["properties"] = {TYPE: {"const": name}, **table["properties"]}
            needed = [*([] if name == default else [TYPE]), *table.get("required", ())]
            choices.append(table | ({"required": needed} if needed else {}))
        return {"oneOf": choices}


def _without_none(wanted: Any) -> Any:  # noqa: ANN401 - a type
    """``X`` of ``X | None``: None cannot be written."""
    if get_origin(wanted) not in (Union, UnionType):
        return wanted
    return Union.__getitem__(tuple(part for part in get_args(wanted) if part is not NoneType))


def _first_paragraph(cls: type[Any]) -> str:
    return " ".join((cls.__doc__ or "").partition("\n\n")[0].split())
