"""Hooks of the converter for values with parts: lists, tables of free keys, and tables that an options class declares.

Every part is read, whatever is wrong with the others. Floor: core.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any, get_args, get_type_hints

from attrs import NOTHING, evolve, frozen

from orchestrator.core import values
from orchestrator.core.reject import Collector, Hook, Rejected, expect, expect_private, reject
from orchestrator.core.scalars import read_variable
from orchestrator.core.suggest import quote, show_value
from orchestrator.model.option import options_of
from orchestrator.model.problem import At, Fault, Guess
from orchestrator.model.types import Duration, EnvName, Size

MOST_ENTRIES = 1000
"""Items of a list and keys of a table: what has more is no definition, and is not looked at piece by piece."""

HookOf = Callable[[Any], Hook]
"""Finds the hook of a type."""

Check = Callable[[Any], Fault | None]
"""What the type of a field cannot say of its value."""

KeyCheck = Callable[[Sequence[str]], Iterable[Fault]]
"""What is wrong with keys that stand together, or with none of them being there; they come in the file's order."""

WholeCheck = Callable[[Any], Iterable[Fault]]
"""What is wrong with values that stand together, each of which is good by itself."""


def make_list_hook(wanted: object, hook_of: HookOf) -> Hook:
    """The hook of ``tuple[X, ...]``."""
    arguments = get_args(wanted)
    if len(arguments) != 2 or arguments[1] is not Ellipsis:
        raise TypeError(f"an option cannot be {wanted}: use tuple[X, ...]")
    item_type, item_hook = arguments[0], hook_of(arguments[0])

    def read_list(value: object, _wanted: object) -> tuple[Any, ...]:
        if type(value) is not list:
            words = value.split()[:4] if isinstance(value, str) else []
            expect("a list", value, f"write [{', '.join(quote(word) for word in words)}]" if words else "")
        _check_count("list", "items", value)
        collector = Collector()
        items = tuple(collector.read(item_hook, item, item_type, index)[0] for index, item in enumerate(value))
        collector.settle()
        return items

    return read_list


def make_mapping_hook(wanted: object, hook_of: HookOf) -> Hook:
    """The hook of ``Mapping[K, V]``: a table of free keys, which may be normalised, but not to the same.

    Of ``Mapping[EnvName, str]``, environment variables, no fault shows a value.
    """
    key_type, value_type = get_args(wanted)
    private = key_type is EnvName and value_type is str
    key_hook, value_hook = hook_of(key_type), read_variable if private else hook_of(value_type)

    def read_mapping(value: object, _wanted: object) -> dict[Any, Any]:
        if type(value) is not dict and private:
            expect_private("a table", value, 'write { NAME = "value" }' if isinstance(value, str | list) else "")
        if type(value) is not dict:
            expect("a table", value)
        _check_count("table", "entries", value)
        collector = Collector()
        result: dict[Any, Any] = {}
        written: dict[Any, str] = {}
        for raw_key, raw_value in value.items():
            try:
                key = key_hook(raw_key, key_type)
            except Rejected as rejected:
                collector.add(*(Fault((raw_key,), fault.message, fault.hint, At.KEY) for fault in rejected.faults))
                key = None
            item, _ = collector.read(value_hook, raw_value, value_type, raw_key)
            if key is None:
                continue
            if key in result:
                message = f"{quote(raw_key)} is the same as {quote(written[key])} further up"
                collector.add(Fault((raw_key,), message, "take one of them away", At.KEY))
                continue
            result[key], written[key] = item, raw_key
        collector.settle()
        return result

    return read_mapping


def _check_count(noun: str, parts: str, value: Sized) -> None:
    if len(value) > MOST_ENTRIES:
        reject(f"the {noun} has {len(value)} {parts}, {MOST_ENTRIES} are the most")


@frozen
class _Field:
    """What the hook of a table must know of one key."""

    key: str
    type: Any
    hook: Hook
    required: bool
    example: str
    minimum: float | None
    maximum: float | None
    check: Check | None


def make_table_hook(
    cls: type[Any],
    hook_of: HookOf,
    checks: Mapping[str, Check] | None = None,
    check_keys: KeyCheck = lambda keys: (),
    check_whole: WholeCheck = lambda made: (),
) -> Hook:
    """The hook of an options class: an attrs class whose fields are declared with `option`. ``checks`` by key.

    Raises TypeError for a class that is not made so. A ValueError of the class itself (an attrs validator) is the
    user's mistake, a fault of the table. A class may name one of its options as ``shorthand``, a class variable.
    """
    fields = {known.key: known for known in _read_fields(cls, hook_of, checks or {})}
    keys = tuple(fields)
    hint_of_keys = f"known keys: {', '.join(sorted(keys))}" if keys else "it takes no keys"

    shorthand: str = getattr(cls, "shorthand", "")

    def read_table(value: object, _wanted: object) -> Any:  # noqa: ANN401 - an instance of cls
        if shorthand and type(value) not in (dict, list):
            return read_shorthand(value)
        if type(value) is not dict:
            expect("a table", value)
        _check_count("table", "keys", value)
        collector = Collector()
        arguments: dict[str, Any] = {}
        for key, raw in value.items():
            known = fields.get(key)
            if known is None:
                message = f"unknown key {quote(key)}"
                collector.add(Fault((key,), message, hint_of_keys, At.KEY, guess=Guess(key, keys)))
                continue
            arguments[key], good = collector.read(known.hook, raw, known.type, key)
            fault = _check_field(known, arguments[key], raw) if good else None
            if fault is not None:
                collector.add(fault.below(key))
        for known in fields.values():
            if known.required and known.key not in value:
                hint = f"write {known.key} = {known.example}" if known.example else ""
                collector.add(Fault((), f"missing key {quote(known.key)}", hint))
        collector.add(*check_keys([key for key in value if key in fields]))
        collector.settle()
        try:
            made = cls(**arguments)
        except ValueError as error:
            reject(" ".join(str(error).split()))
        collector.add(*check_whole(made))
        collector.settle()
        return made

    def read_shorthand(value: object) -> Any:  # noqa: ANN401 - an instance of cls
        """A bare value stands for a table with one option, and is what any fault of that option is about."""
        try:
            return read_table({shorthand: value}, cls)
        except Rejected as rejected:
            raise Rejected(*(evolve(fault, path=()) for fault in rejected.faults)) from None

    return read_table


def required_options(cls: type[Any]) -> dict[str, str]:
    """The options without a default of an options class, each with its example."""
    return {
        declared.alias or declared.name: declared.metadata["example"]
        for declared in options_of(cls)
        if declared.default is NOTHING
    }


def option_keys(cls: type[Any]) -> set[str]:
    """The keys of an options class."""
    return {declared.alias or declared.name for declared in options_of(cls)}


def _read_fields(cls: type[Any], hook_of: HookOf, checks: Mapping[str, Check]) -> list[_Field]:
    types = get_type_hints(cls)
    fields = []
    for declared in options_of(cls):
        if "change" not in declared.metadata:
            raise TypeError(f"{cls.__qualname__}.{declared.name} is not declared with option()")
        key, metadata = declared.alias or declared.name, declared.metadata
        try:
            hook = hook_of(types[declared.name])
        except TypeError as error:
            raise TypeError(f"{cls.__qualname__}.{declared.name}: {error}") from error
        fields.append(
            _Field(
                key=key,
                type=types[declared.name],
                hook=hook,
                required=declared.default is NOTHING,
                example=metadata["example"],
                minimum=metadata["minimum"],
                maximum=metadata["maximum"],
                check=checks.get(key),
            )
        )
    return fields


def _check_field(known: _Field, value: Any, raw: object) -> Fault | None:  # noqa: ANN401 - a value of any option
    if isinstance(value, int | float):
        if known.minimum is not None and value < known.minimum:
            return Fault(
                (), f"{show_value(raw)} is below the minimum {_show_limit(known, known.minimum)}", _range(known)
            )
        if known.maximum is not None and value > known.maximum:
            return Fault(
                (), f"{show_value(raw)} is above the maximum {_show_limit(known, known.maximum)}", _range(known)
            )
    return known.check(value) if known.check is not None else None


def _show_limit(known: _Field, limit: float) -> str:
    """A limit as the file would have it, in the unit of the field's type."""
    parts = (known.type, *get_args(known.type))
    if Duration in parts:
        return quote(values.format_duration(limit))
    if Size in parts:
        return values.format_size(int(limit))
    return show_value(int(limit)) if limit == int(limit) else str(limit)


def _range(known: _Field) -> str:
    limits = [_show_limit(known, limit) for limit in (known.minimum, known.maximum) if limit is not None]
    if len(limits) == 2:
        return f"write {limits[0]} to {limits[1]}"
    return f"write {limits[0]} or {'less' if known.minimum is None else 'more'}"
