"""State files as text: a state of the model becomes JSON, and JSON becomes the state again or is refused.

The attrs classes of `orchestrator.model.state` are the schema; nothing is named a second time here. Reading is strict:
no value is converted from another type. But a key that is missing takes its field's default, and an unknown one is
passed over: a field that is added later needs no migration, and an older agent reads what a newer one has written.
Whatever else changes needs another `SCHEMA`.
By hand and not by cattrs, since `status` reads these files and cattrs takes 60 ms to import.
Where the files lie and how they are put in place is left to `orchestrator.system`. Floor: core.
"""

import json
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar

import attrs

from orchestrator.model.eventlog import Record
from orchestrator.model.state import SCHEMA, AgentState, InstanceState, NameState

State = NameState | InstanceState | AgentState
StateT = TypeVar("StateT", NameState, InstanceState, AgentState)
ValueT = TypeVar("ValueT")

_Reader = Callable[[object, str], Any]
"""Reads JSON data that stands at a key path (for the message); raises DamagedState."""


class DamagedState(ValueError):
    """A text is no state file of this version: ``str(error)`` names the key and what is wrong with it."""


def encode_state(state: State) -> str:
    """The text of a state's file: one line of JSON in ASCII, every key written."""
    return json.dumps(to_plain(state), allow_nan=False, separators=(",", ":")) + "\n"


def decode_state(kind: type[StateT], text: str) -> StateT:
    """The state that a file's text holds.

    Raises DamagedState: not JSON, another schema version, a wrong type, a key that is missing.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DamagedState(f"it is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise DamagedState(f"it is not a JSON object but {_shown(data)}")
    version = data.get("schema")
    if type(version) is not int or version != SCHEMA:
        raise DamagedState(f"its schema version is {_shown(version)}, known is {SCHEMA}")
    schema: Any = kind
    state: StateT = _reader_of(schema)(data, "")
    return state


def encode_record(record: Record) -> str:
    """A line of the event log: JSON in ASCII, without what is at its default."""
    plain = {
        attribute.name: to_plain(getattr(record, attribute.name))
        for attribute in attrs.fields(Record)
        if getattr(record, attribute.name) != attribute.default
    }
    return json.dumps(plain, allow_nan=False, separators=(",", ":")) + "\n"


def decode_record(line: str) -> Record:
    """The record that a line of the event log holds. Raises DamagedState."""
    try:
        data = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DamagedState(f"it is not JSON: {error}") from None
    record: Record = _reader_of(Record)(data, "")
    return record


def to_plain(value: object) -> Any:  # noqa: ANN401 - JSON data
    """A value of the model as JSON-ready data: attrs classes are objects, tuples lists, an Enum its value.

    Raises TypeError for what the model has no business to hold.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    kind: Any = type(value)  # mypy takes no type for hashable
    if attrs.has(kind):
        told_apart = {"type": tag} if (tag := _tag_of(kind)) else {}
        return told_apart | {name: to_plain(getattr(value, name)) for name in _names_of(kind)}
    raise TypeError(f"{kind.__name__} has no JSON form")


def from_plain(kind: type[ValueT], data: object) -> ValueT:
    """The value of the model that `to_plain` made ``data`` of. Raises DamagedState."""
    schema: Any = kind
    value: ValueT = _reader_of(schema)(data, "")
    return value


@cache
def _names_of(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - an attrs class
    return tuple(field.name for field in attrs.fields(kind))


@cache
def _reader_of(kind: Any) -> _Reader:  # noqa: ANN401 - a type, or what typing makes of one
    if kind is Any:
        return lambda data, _: data
    if kind is float:
        return _read_float
    if kind in (str, int, bool):
        return _scalar_reader(kind)
    if isinstance(kind, typing.NewType):
        return _reader_of(kind.__supertype__)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        others = tuple(argument for argument in arguments if argument is not type(None))
        reader = _tagged_reader(others) if len(others) > 1 else _reader_of(others[0])
        return _optional_reader(reader) if len(others) < len(arguments) else reader
    if origin is tuple:
        return _tuple_reader(_reader_of(arguments[0]))
    if origin is dict:
        return _dict_reader(_reader_of(arguments[1]))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_reader(kind)
    if isinstance(kind, type) and attrs.has(kind):
        return _object_reader(kind)
    raise TypeError(f"{kind} cannot be a field of a state")


def _scalar_reader(kind: type) -> _Reader:
    def read(data: object, path: str) -> object:
        if type(data) is not kind:  # exactly: True is an int too
            raise _mismatch(path, kind.__name__, data)
        return data

    return read


def _read_float(data: object, path: str) -> float:
    if type(data) not in (int, float):
        raise _mismatch(path, "number", data)
    try:
        return float(typing.cast("int | float", data))
    except OverflowError:
        raise DamagedState(f"{path}: the number is too large") from None


def _optional_reader(inner: _Reader) -> _Reader:
    return lambda data, path: None if data is None else inner(data, path)


def _tag_of(kind: Any) -> str:  # noqa: ANN401 - an attrs class
    """What tells it apart from the others of a closed set of kinds; an empty text where it is of none."""
    tag = getattr(kind, "type", "")
    return tag if isinstance(tag, str) else ""


def _tagged_reader(kinds: tuple[Any, ...]) -> _Reader:
    readers = {kind.type: _reader_of(kind) for kind in kinds}

    def read(data: object, path: str) -> object:
        tag = data.get("type") if isinstance(data, dict) else None
        if not isinstance(data, dict) or tag not in readers:
            raise _mismatch(f"{path}.type", f"one of {', '.join(readers)}", tag)
        return readers[tag](data, path)

    return read


def _tuple_reader(inner: _Reader) -> _Reader:
    def read(data: object, path: str) -> tuple[Any, ...]:
        if not isinstance(data, list):
            raise _mismatch(path, "list", data)
        return tuple(inner(item, f"{path}[{index}]") for index, item in enumerate(data))

    return read


def _dict_reader(inner: _Reader) -> _Reader:
    def read(data: object, path: str) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise _mismatch(path, "object", data)
        return {key: inner(item, f"{path}.{key}") for key, item in data.items()}

    return read


def _enum_reader(kind: type[Enum]) -> _Reader:
    def read(data: object, path: str) -> Enum:
        for member in kind:
            if member.value == data:
                return member
        raise _mismatch(path, f"one of {', '.join(str(member.value) for member in kind)}", data)

    return read


def _object_reader(kind: type) -> _Reader:
    hints = typing.get_type_hints(kind)
    fields = {field.name: (field, _reader_of(hints[field.name])) for field in attrs.fields(kind)}

    def read(data: object, path: str) -> object:
        if not isinstance(data, dict):
            raise _mismatch(path, "object", data)
        head = f"{path}." if path else ""
        values = {}
        for name, (field, reader) in fields.items():
            if name in data:
                values[name] = reader(data[name], f"{head}{name}")
            elif field.default is attrs.NOTHING:
                raise DamagedState(f"{head}{name}: the key is missing")
        return kind(**values)

    return read


def _mismatch(path: str, expected: str, data: object) -> DamagedState:
    return DamagedState(f"{path}: expected {expected}, not {_shown(data)}")


def _shown(data: object) -> str:
    text = json.dumps(data)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is no number of JSON")
