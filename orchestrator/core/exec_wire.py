"""Reads what a plugin kind that is a program prints: JSON, as strictly as a definition is read.

What an object of the protocol may hold is `orchestrator.model.exec_wire`; what is made of it is for `exec_kind` and
`exec_answer`. Floor: core.
"""

import ipaddress
import re
from functools import cache
from keyword import kwlist
from typing import Any, TypeVar

from cattrs import Converter

from orchestrator.core.choice import OwnKinds, make_kind_hook
from orchestrator.core.converter import make_converter, register_exact
from orchestrator.core.json_text import read_json
from orchestrator.core.reject import Hook, Rejected, expect, reject
from orchestrator.core.scalars import read_str
from orchestrator.core.strict import describe_fault
from orchestrator.core.suggest import quote
from orchestrator.model.exec_wire import (
    ENTRIES,
    Address,
    Anything,
    Mode,
    OptionName,
    OptionPath,
    WireEntry,
    WireError,
    Work,
)
from orchestrator.model.facts import ExecAnswer
from orchestrator.model.registry import Registry

T = TypeVar("T")

_MODE = re.compile(r"0?[0-7]{3}")
_OPTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TAKEN = frozenset({"type", *kwlist})
"""Names that no option can have: ``type`` says the kind, and the others mean something in the language of the agent."""
_SHOWN_OF_ERRORS = 300


class WrongAnswer(Exception):
    """A program has not answered as it should: ``reasons`` say why, each in one line, one at least."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def read_wire(answer: ExecAnswer, wanted: type[T]) -> T:
    """The object of the protocol that a program has printed. Raises WrongAnswer with all that is wrong with it."""
    table = _read_output(answer)
    try:
        made: T = _converter().structure(table, wanted)
    except Rejected as rejected:
        raise WrongAnswer(*map(describe_fault, rejected.faults)) from None
    return made


def _read_output(answer: ExecAnswer) -> dict[str, object]:
    if answer.code is None:
        raise WrongAnswer(answer.detail)
    if answer.code != 0:
        raise WrongAnswer(describe_failure(answer))
    table = read_json(answer.output)
    if isinstance(table, dict):
        return table
    if not answer.output.strip():
        raise WrongAnswer("it printed nothing, where a JSON object is to be")
    raise WrongAnswer(f"what it printed is no JSON object: {describe_fault(table[0])}")


def describe_failure(answer: ExecAnswer) -> str:
    """Why a program that ended with another code than 0 failed, as it says itself, in one line."""
    code = answer.code or 0
    ended = f"signal {code - 128}" if code > 128 else f"exit code {code}"
    table = read_json(answer.output)
    if isinstance(table, dict):
        try:
            error: WireError = _converter().structure(table, WireError)
        except Rejected:
            pass
        else:
            said = f"{error.msg}: {error.details}" if error.details else error.msg
            return f"{_one_line(said)} (code {error.code})"
    said = _one_line(answer.errors)
    return f"{ended}{f': {said}' if said else ', and nothing that says why'}"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_OF_ERRORS else f"{line[:_SHOWN_OF_ERRORS]}…"


@cache
def _converter() -> Converter:
    converter = make_converter(Registry())
    for wanted, hook in _HOOKS:
        register_exact(converter, wanted, hook)
    # Its hooks are looked for at once, so those above have to be there.
    register_exact(converter, WireEntry, make_kind_hook(OwnKinds("entry", ENTRIES), converter.get_structure_hook))
    return converter


def read_option(value: object, wanted: Any) -> Any:  # noqa: ANN401 - a value of an option, and its type
    """A value as a definition would be read. Raises Rejected."""
    return _converter().structure(value, wanted)


def _read_mode(value: object, _wanted: object) -> Mode:
    text = read_str(value)
    if not _MODE.fullmatch(text):
        reject(f"{quote(text)} is no mode of a file", 'write "0644"')
    return Mode(int(text, 8))


def _read_anything(value: object, _wanted: object) -> object:
    return value


def _read_work(value: object, _wanted: object) -> dict[str, Any]:
    if type(value) is not dict:
        expect("a table", value)
    return value


def _read_option_path(value: object, _wanted: object) -> tuple[str | int, ...]:
    if type(value) is not list or not all(type(each) in (str, int) for each in value):
        expect("a list of keys and indexes", value)
    return tuple(value)


def _read_address(value: object, _wanted: object) -> Address:
    text = read_str(value)
    if text:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            reject(f"{quote(text)} is not an IP address")
    return Address(text)


def _read_option_name(value: object, _wanted: object) -> OptionName:
    text = read_str(value)
    if not _OPTION_NAME.fullmatch(text):
        reject(f"{quote(text)} is no name of an option: it is made of a-z, 0-9 and _, beginning with a letter")
    if text in _TAKEN:
        reject(f"no option can be called {quote(text)}")
    return OptionName(text)


_HOOKS: tuple[tuple[Any, Hook], ...] = (
    (Mode, _read_mode),
    (Anything, _read_anything),
    (Work, _read_work),
    (OptionPath, _read_option_path),
    (Address, _read_address),
    (OptionName, _read_option_name),
)
