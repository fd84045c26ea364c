"""What a request says, read strictly: its query and its body become values, or all that is wrong with them is told.

Floor: api.
"""

import json
from collections.abc import Collection

from attrs import frozen
from starlette.datastructures import QueryParams
from starlette.requests import Request

from orchestrator.api.problems import Invalid
from orchestrator.core.suggest import describe_value, list_choices, quote, suggest_similar
from orchestrator.core.values import parse_signal
from orchestrator.model.problem import Fault
from orchestrator.model.types import SignalName

DEFAULT_LINES = 100
"""How many of the last lines a stream begins with."""
MOST_LINES = 999_999_999


@frozen
class Wish:
    """The body of an operation. ``names`` None: all containers."""

    names: tuple[str, ...] | None
    wait: bool


@frozen
class Span:
    """What of a stream is asked for. ``lines`` None: all."""

    lines: int | None
    follow: bool
    name: str | None = None


def read_nothing(query: QueryParams) -> None:
    """A query that may have no parameters. Raises Invalid."""
    if errors := _check_names(query, ()):
        raise _invalid(errors, "parameter")


def read_span(query: QueryParams, *more: str) -> Span:
    """A query of ``follow`` and ``lines``, and of ``name`` where ``more`` has it. Raises Invalid."""
    errors = _check_names(query, ("follow", "lines", *more))
    follow, lines = query.get("follow", "false"), query.get("lines", str(DEFAULT_LINES))
    if follow not in ("true", "false"):
        errors.append(("follow", f"{quote(follow)} is neither true nor false"))
    if lines != "all" and not (lines.isascii() and lines.isdigit() and len(lines) <= len(str(MOST_LINES))):
        errors.append(("lines", f'{quote(lines)} is neither a number of lines nor "all"'))
    if errors:
        raise _invalid(errors, "parameter")
    return Span(None if lines == "all" else int(lines), follow == "true", query.get("name"))


async def read_wish(request: Request) -> Wish:
    """The body of start, stop and restart. Raises Invalid."""
    data = await _read_object(request, {"names", "all", "wait"})
    errors = []
    names, everything, wait = data.get("names"), data.get("all", False), data.get("wait", True)
    if "names" in data and not isinstance(names, list):
        errors.append(("/names", f"expected a list of strings, not {describe_value(names)}"))
    elif isinstance(names, list):
        if not names:
            errors.append(("/names", "the list is empty"))
        errors.extend(
            (f"/names/{index}", f"expected a string, not {describe_value(name)}")
            for index, name in enumerate(names)
            if not isinstance(name, str)
        )
    for key, value in (("all", everything), ("wait", wait)):
        if not isinstance(value, bool):
            errors.append((f"/{key}", f"expected true or false, not {describe_value(value)}"))
    if not errors and ("names" in data) == (everything is True):
        errors.append(("", 'exactly one is to be given: "names", or "all": true'))
    if errors:
        raise _invalid(errors, "pointer")
    assert isinstance(wait, bool)
    return Wish(tuple(dict.fromkeys(names)) if isinstance(names, list) else None, wait)


async def read_generation(request: Request) -> int | None:
    """The body of a roll-back; None where it names no generation. Raises Invalid."""
    data = await _read_object(request, {"generation"})
    if "generation" not in data:
        return None
    number = data["generation"]
    if isinstance(number, float) and number.is_integer():
        number = int(number)  # to JSON Schema 7.0 is an integer
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise _invalid(
            [("/generation", f"expected the number of a generation, not {describe_value(number)}")], "pointer"
        )
    return number


async def read_signal(request: Request) -> SignalName:
    """The body of kill. Raises Invalid."""
    data = await _read_object(request, {"signal"})
    text = data.get("signal")
    if not isinstance(text, str):
        missing = "signal" not in data
        what = '"signal" is missing' if missing else f"expected a string, not {describe_value(text)}"
        raise _invalid([("" if missing else "/signal", what)], "pointer")
    signal = parse_signal(text)
    if isinstance(signal, Fault):
        hint = f" ({signal.hint})" if signal.hint else ""
        raise _invalid([("/signal", f"{signal.message}{hint}")], "pointer")
    return signal


async def _read_object(request: Request, known: Collection[str]) -> dict[str, object]:
    try:
        data = json.loads(await request.body(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(400, f"the body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise _invalid([("", f"expected an object, not {describe_value(data)}")], "pointer")
    unknown = [key for key in data if key not in known]
    if unknown:
        errors = []
        for key in unknown:
            hint = suggest_similar(key, known) or f"known are {list_choices(sorted(known))}"
            errors.append((f"/{_escape(key)}", f"the key {quote(key)} is unknown: {hint}"))
        raise _invalid(errors, "pointer")
    return data


def _check_names(query: QueryParams, known: Collection[str]) -> list[tuple[str, str]]:
    """Which parameters are not known, or given twice, and what is to say of each."""
    errors = []
    for name in query:
        if name not in known:
            hint = suggest_similar(name, known)
            errors.append((name, f"there is no parameter {quote(name)}{f': {hint}' if hint else ''}"))
        elif len(query.getlist(name)) > 1:
            errors.append((name, f"{quote(name)} is given more than once"))
    return errors


def _invalid(errors: Collection[tuple[str, str]], where: str) -> Invalid:
    listed = [{"detail": detail, where: place} for place, detail in errors]
    return Invalid(422, "; ".join(f"{place}: {detail}" if place else detail for place, detail in errors), listed)


def _escape(key: str) -> str:
    """A key in a JSON pointer, RFC 6901 section 3."""
    return key.replace("~", "~0").replace("/", "~1")


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is no number of JSON")
