"""How a hook of the converter says no: with all faults at once, their paths growing on the way out. Floor: core."""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from orchestrator.core.suggest import describe_type, describe_value
from orchestrator.model.problem import Fault, Guess

Hook = Callable[[Any, Any], Any]
"""What cattrs calls a structure hook: of a plain value and the wanted type."""

MOST_FOUND = 1000
"""Faults after which no further part of a value is read: nobody mends so many from one list."""

T = TypeVar("T")


class Rejected(Exception):
    """A value was no good. ``faults``, never empty, have paths that begin at that value."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults


class Collector:
    """Gathers the faults of the parts of one value, so that the parts after a bad one are read too (`MOST_FOUND`)."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def read(self, hook: Hook, value: object, wanted: object, key: str | int) -> tuple[Any, bool]:
        """The part ``key`` as ``wanted``, and whether it was good; its faults are kept."""
        if len(self.faults) >= MOST_FOUND:
            return None, False
        try:
            return hook(value, wanted), True
        except Rejected as rejected:
            self.faults += [fault.below(key) for fault in rejected.faults]
            return None, False

    def add(self, *faults: Fault) -> None:
        """Keep faults whose paths begin at the value as a whole."""
        self.faults += faults

    def settle(self) -> None:
        """Raise Rejected if there was any fault."""
        if self.faults:
            raise Rejected(*self.faults)


def reject(message: str, hint: str = "", *path: str | int, guess: Guess | None = None) -> NoReturn:
    """Raise Rejected with one fault."""
    raise Rejected(Fault(path, message, hint, guess=guess))


def expect(noun: str, value: object, hint: str = "") -> NoReturn:
    """Raise Rejected since ``value`` is not of the type that ``noun`` names. Where nothing is to be, nothing is
    written: null is of no type."""
    reject(f"expected {noun}, found {describe_value(value)}", "leave it away" if value is None else hint)


def expect_private(noun: str, value: object, hint: str = "") -> NoReturn:
    """`expect` for a value that is not to be seen in any message, since it may be a password: tells its type only."""
    reject(f"expected {noun}, found {describe_type(value)}", "leave it away" if value is None else hint)


def unwrap(result: T | Fault) -> T:
    """The value of a function that answers with a value or a fault. Raises Rejected for a fault."""
    if isinstance(result, Fault):
        raise Rejected(result)
    return result
