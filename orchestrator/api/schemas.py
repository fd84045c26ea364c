"""JSON Schema (2020-12, as OpenAPI 3.1 has it) of what the interface answers, made from the classes of the model.

Floor: api.
"""

import inspect
import types
import typing
from collections.abc import Collection
from enum import Enum
from typing import Any

import attrs

from orchestrator.api.outcome import Outcome
from orchestrator.core.status import StatusRow
from orchestrator.model.action import Planned
from orchestrator.model.eventlog import Record
from orchestrator.model.generation import Listed, RolledBack
from orchestrator.model.problem import Problem
from orchestrator.model.state import AgentState

Schema = dict[str, Any]

MOMENTS = frozenset({"at", "modified_at", "next_retry_at", "retry_at", "since", "started_at"})
"""Fields whose seconds since the epoch are answered as RFC 3339 has a time."""

CLASSES: tuple[type[Any], ...] = (AgentState, StatusRow, Planned, Record, Outcome, Listed, RolledBack)

_SCALARS: dict[type, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


def make_schemas() -> dict[str, Schema]:
    """The schemas of `CLASSES` and of all that they are made of, and that of an error, by name."""
    schemas: dict[str, Schema] = {"Error": _error_schema()}
    for cls in CLASSES:
        _add_class(cls, schemas)
    # An outcome keeps its row as the data that it is answered as.
    schemas[Outcome.__name__]["properties"]["state"] = {"anyOf": [refer_to(StatusRow), {"type": "null"}]}
    return schemas


def refer_to(cls: type[Any]) -> Schema:
    """The schema of a class, by reference."""
    return {"$ref": f"#/components/schemas/{cls.__name__}"}


def list_of(schema: Schema) -> Schema:
    """A list of values of a schema."""
    return {"type": "array", "items": schema}


def object_of(properties: dict[str, Schema], required: Collection[str]) -> Schema:
    """An object with these keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _add_class(cls: type[Any], schemas: dict[str, Schema]) -> None:
    if cls.__name__ in schemas:
        return
    schemas[cls.__name__] = {}  # it may be its own part
    hints = typing.get_type_hints(cls)
    names = [field.name for field in attrs.fields(cls)]
    properties = {name: _schema_of(hints[name], schemas, moment=name in MOMENTS) for name in names}
    schemas[cls.__name__] = {"description": _first_paragraph(cls), **object_of(properties, names)}


def _schema_of(wanted: Any, schemas: dict[str, Schema], *, moment: bool = False) -> Schema:  # noqa: ANN401 - a type
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_schema_of(part, schemas, moment=moment) for part in arguments]}
    if wanted is types.NoneType:
        return {"type": "null"}
    if wanted is Any:
        return {}
    if moment and wanted is float:
        return {"type": "string", "format": "date-time"}
    if wanted in _SCALARS:
        return dict(_SCALARS[wanted])
    if origin is tuple:
        return list_of(_schema_of(arguments[0], schemas))
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of(arguments[1], schemas)}
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return {"type": "string", "enum": [member.value for member in wanted]}
    if isinstance(wanted, type) and attrs.has(wanted):
        _add_class(wanted, schemas)
        return refer_to(wanted)
    raise TypeError(f"{wanted} has no schema")


def _error_schema() -> Schema:
    """RFC 9457 section 3.1, with our extension members."""
    text = {"type": "string"}
    place = {"anyOf": [object_of({"detail": text, key: text}, ["detail", key]) for key in ("pointer", "parameter")]}
    return {
        "description": "What is wrong, as RFC 9457 has it.",
        **object_of(
            {
                "type": {"type": "string", "format": "uri-reference"},
                "title": text,
                "status": {"type": "integer"},
                "detail": {"description": "For people, in one line.", **text},
                "instance": {"type": "string", "format": "uri-reference"},
                "errors": {"description": "All that is wrong with the query or the body.", **list_of(place)},
                "names": {"description": "The names that are not there.", **list_of(text)},
                "known": {"description": "The names that are there.", **list_of(text)},
                "problems": {"description": "Those of the definition.", **list_of(refer_to(Problem))},
            },
            ["type", "title", "status", "detail", "instance"],
        ),
    }


def _first_paragraph(cls: type[Any]) -> str:
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split()).replace("``", "`")
