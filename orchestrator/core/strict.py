"""The converter for files of others: as strict as that of definitions, for classes whose keys are declared by `part`.

Floor: core.
"""

from functools import cache
from typing import Any

from cattrs import Converter

from orchestrator.core.converter import make_converter, register_exact
from orchestrator.core.reject import Hook, reject
from orchestrator.core.scalars import read_str
from orchestrator.core.suggest import complete_hint, quote
from orchestrator.model.cdi import Permissions, Variable
from orchestrator.model.problem import Fault, dotted
from orchestrator.model.registry import Registry

_NONE = "none"


@cache
def make_strict_converter() -> Converter:
    """The one there is: to make one takes milliseconds."""
    converter = make_converter(Registry())
    for wanted, hook in _HOOKS:
        register_exact(converter, wanted, hook)
    return converter


def describe_fault(fault: Fault) -> str:
    """What is wrong with what is no definition, in one line."""
    # Of a syntax error the hint is about definitions.
    hint = complete_hint(fault) if fault.place is None else ""
    place = f"line {fault.place.line}, column {fault.place.column}: " if fault.place is not None else ""
    path = f"{dotted(fault.path)}: " if fault.path else ""
    return f"{place}{path}{fault.message}{f' ({hint})' if hint else ''}"


def _read_variable(value: object, _wanted: object) -> Variable:
    text = read_str(value)
    name, equals, _ = text.partition("=")
    if not equals or not name:
        reject(f'{quote(text)} is not "NAME=value"')
    return Variable(text)


def _read_permissions(value: object, _wanted: object) -> Permissions:
    text = read_str(value)
    if text == _NONE:
        return Permissions("")
    if not set(text) <= set("rwm"):
        reject(f'{quote(text)} is not made of "r", "w" and "m", and is not "{_NONE}"')
    return Permissions("".join(letter for letter in "rwm" if letter in text) or "rwm")


_HOOKS: tuple[tuple[Any, Hook], ...] = ((Variable, _read_variable), (Permissions, _read_permissions))
