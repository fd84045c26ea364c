"""The hook of the converter for a kind: a table whose ``type`` says which options class it is. Floor: core."""

from collections.abc import Mapping
from typing import Any

import attrs

from orchestrator.core.reject import Hook, Rejected, expect, reject
from orchestrator.core.scalars import read_str
from orchestrator.core.suggest import list_choices, quote
from orchestrator.core.tables import HookOf, option_keys, required_options
from orchestrator.model.problem import At, Fault, Guess

TYPE = "type"
"""The key that says the kind."""


def make_kind_hook(noun: str, kinds: Mapping[str, type[Any]], hook_of: HookOf, default: str | None = None) -> Hook:
    """The hook of a table that is one of ``kinds``; ``default`` is the kind where ``type`` is not written.

    A kind whose options all have defaults may be written as its name. ``noun`` says what the kinds are kinds of.
    Raises TypeError for a kind that has an option of the name ``type``.
    """
    hooks = {name: hook_of(kind) for name, kind in kinds.items()}
    required = {name: required_options(kind) for name, kind in kinds.items()}

    def find_kind(value: object, *path: str) -> str:
        try:
            name = read_str(value)
        except Rejected as rejected:
            raise Rejected(*(fault.below(*path) for fault in rejected.faults)) from None
        if name not in kinds:
            known = f"expected {list_choices(kinds)}" if kinds else "none is installed"
            reject(f"unknown kind of {noun} {quote(name)}: {known}", "", *path, guess=Guess(name, tuple(kinds)))
        return name

    def read_kind(value: object, _wanted: object) -> Any:  # noqa: ANN401 - an instance of one of the kinds
        if type(value) is str:
            if value.startswith("/") and "source" in required.get(default or "", ()):
                expect("a table", value, f"write {{ source = {quote(value)} }}")
            name = find_kind(value)
            if required[name]:
                raise Rejected(*_explain_bare(name, required[name]))
            return hooks[name]({}, kinds[name])
        if type(value) is not dict:
            expect(f"a table or the name of a kind of {noun}", value, f"one of {list_choices(kinds)}")
        if TYPE in value:
            name = find_kind(value[TYPE], TYPE)
        elif default is not None and default in kinds:
            name = default
        else:
            fitting = [found for found, kind in kinds.items() if value and set(value) <= option_keys(kind)]
            hint = f"write type = {list_choices(fitting or kinds)}" if kinds else ""
            reject(f'missing key "type": it says the kind of {noun}', hint)
        try:
            return hooks[name]({key: item for key, item in value.items() if key != TYPE}, kinds[name])
        except Rejected as rejected:
            raise Rejected(*(_suggest_type(fault, value) for fault in rejected.faults)) from None

    return read_kind


def _explain_bare(name: str, required: Mapping[str, str]) -> list[Fault]:
    needed = ", ".join(f"{key} = {example or '…'}" for key, example in required.items())
    message = f"{quote(name)} cannot be written as its name alone: it needs {list_choices(required)}"
    return [Fault((), message, f"write {{ type = {quote(name)}, {needed} }}")]


def _suggest_type(fault: Fault, table: Mapping[str, Any]) -> Fault:
    """``type`` is no option of a kind, so the kind's own hook cannot have it in mind for a key that is misspelt."""
    if fault.guess is None or fault.at is not At.KEY or len(fault.path) != 1 or TYPE in table:
        return fault
    return attrs.evolve(fault, guess=Guess(fault.guess.word, (*fault.guess.known, TYPE)))
