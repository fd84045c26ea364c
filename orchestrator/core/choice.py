"""The hook of the converter for a kind: a table whose ``type`` says which options class it is. Floor: core."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import attrs
from attrs import frozen

from orchestrator.core.foreign import DEFECT, ForeignFailed, Patience, call_foreign
from orchestrator.core.reject import Hook, Rejected, expect, reject
from orchestrator.core.scalars import read_str
from orchestrator.core.suggest import list_choices, quote
from orchestrator.core.tables import HookOf, option_keys, required_options
from orchestrator.model.problem import At, Fault, Guess
from orchestrator.model.registry import Group, Registry, Unusable

TYPE = "type"
"""The key that says the kind."""


class Kinds(Protocol):
    """The kinds that a table may be one of."""

    @property
    def noun(self) -> str:
        """What they are kinds of."""
        ...

    @property
    def hint(self) -> str:
        """What an unknown one may have to do with, or empty."""
        ...

    def names(self) -> Collection[str]:
        """Those that may be written."""
        ...

    def find(self, name: str) -> type[Any] | Unusable | None:
        """The class of a kind; None for what is none."""
        ...

    def make(self, name: str, kind: type[Any], read: Callable[[], Any]) -> Any:  # noqa: ANN401 - one of the kind
        """What ``read`` returns, which reads a table of that kind. Raises Rejected."""
        ...


@frozen
class OwnKinds:
    """Kinds of the model's own, of which there are always the same."""

    noun: str
    kinds: Mapping[str, type[Any]]
    hint: str = ""

    def names(self) -> Collection[str]:
        """See `Kinds`."""
        return self.kinds.keys()

    def find(self, name: str) -> type[Any] | None:
        """See `Kinds`."""
        return self.kinds.get(name)

    def make(self, name: str, kind: type[Any], read: Callable[[], Any]) -> Any:  # noqa: ANN401 - one of the kind
        """See `Kinds`."""
        return read()


@frozen
class PluggedKinds:
    """The kinds of a group of plugins: found when they are named, and not trusted to do well."""

    noun: str
    registry: Registry
    group: Group
    patience: Patience

    @property
    def hint(self) -> str:
        """See `Kinds`."""
        files = self.registry.unread
        return f"what {' and '.join(files)} may have is not loaded" if files else ""

    def names(self) -> Collection[str]:
        """See `Kinds`."""
        return self.registry.names(self.group)

    def find(self, name: str) -> type[Any] | Unusable | None:
        """See `Kinds`."""
        return self.registry.find(self.group, name)

    def make(self, name: str, kind: type[Any], read: Callable[[], Any]) -> Any:  # noqa: ANN401 - one of the kind
        """See `Kinds`. To make one runs the validators of its author."""
        try:
            return call_foreign(kind, self.patience, read, Rejected)
        except ForeignFailed as failed:
            reject(f"the {self.noun} kind {quote(name)} {failed}", DEFECT)


def make_kind_hook(kinds: Kinds, hook_of: HookOf, default: str | None = None) -> Hook:
    """The hook of a table that is one of ``kinds``; ``default`` is the kind where ``type`` is not written.

    A kind whose options all have defaults may be written as its name. A kind whose class is not made as authors are
    told is a fault of the value that names it.
    """
    noun = kinds.noun
    hooks: dict[type[Any], Hook] = {}

    def find_kind(value: object, *path: str) -> tuple[str, type[Any]]:
        try:
            name = read_str(value)
        except Rejected as rejected:
            raise Rejected(*(fault.below(*path) for fault in rejected.faults)) from None
        kind = kinds.find(name)
        if kind is None:
            names = tuple(kinds.names())
            known = f"expected {list_choices(names)}" if names else "none is installed"
            message = f"unknown kind of {noun} {quote(name)}: {known}"
            reject(message, kinds.hint, *path, guess=Guess(name, names))
        if isinstance(kind, Unusable):
            reject(f"the {noun} kind {quote(name)} cannot be used: {kind.reason}", "", *path)
        if kind not in hooks:
            try:
                hooks[kind] = hook_of(kind)
            except (TypeError, NameError) as error:  # NameError: an annotation that means nothing
                reject(f"the {noun} kind {quote(name)} cannot be used: {error}", DEFECT, *path)
        return name, kind

    def read_table(name: str, kind: type[Any], table: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one of the kind
        return kinds.make(name, kind, lambda: hooks[kind](table, kind))

    def needs_source() -> bool:
        kind = kinds.find(default) if default is not None else None
        return isinstance(kind, type) and "source" in required_options(kind)

    def read_kind(value: object, _wanted: object) -> Any:  # noqa: ANN401 - an instance of one of the kinds
        if type(value) is str:
            if value.startswith("/") and needs_source():
                expect("a table", value, f"write {{ source = {quote(value)} }}")
            name, kind = find_kind(value)
            if required := required_options(kind):
                raise Rejected(*_explain_bare(name, required))
            return read_table(name, kind, {})
        if type(value) is not dict:
            expect(f"a table or the name of a kind of {noun}", value, f"one of {list_choices(kinds.names())}")
        if TYPE in value:
            name, kind = find_kind(value[TYPE], TYPE)
        elif default is not None and default in kinds.names():
            name, kind = find_kind(default)
        else:
            names = kinds.names()
            fitting = [each for each in names if value and set(value) <= _keys_of(kinds.find(each))]
            hint = f"write type = {list_choices(fitting or names)}" if names else ""
            reject(f'missing key "type": it says the kind of {noun}', hint)
        try:
            return read_table(name, kind, {key: item for key, item in value.items() if key != TYPE})
        except Rejected as rejected:
            raise Rejected(*(_suggest_type(fault, value) for fault in rejected.faults)) from None

    return read_kind


def _keys_of(kind: type[Any] | Unusable | None) -> set[str]:
    return option_keys(kind) if isinstance(kind, type) and attrs.has(kind) else set()


def _explain_bare(name: str, required: Mapping[str, str]) -> list[Fault]:
    needed = ", ".join(f"{key} = {example or '…'}" for key, example in required.items())
    message = f"{quote(name)} cannot be written as its name alone: it needs {list_choices(required)}"
    return [Fault((), message, f"write {{ type = {quote(name)}, {needed} }}")]


def _suggest_type(fault: Fault, table: Mapping[str, Any]) -> Fault:
    """``type`` is no option of a kind, so the kind's own hook cannot have it in mind for a key that is misspelt."""
    if fault.guess is None or fault.at is not At.KEY or len(fault.path) != 1 or TYPE in table:
        return fault
    return attrs.evolve(fault, guess=Guess(fault.guess.word, (*fault.guess.known, TYPE)))
