"""One container explained to people, as ``systemctl status`` does: why it is as it is, and what it is doing. Pure.

What must be looked at for it is handed in; showing is left to `orchestrator.cli.status`. Floor: core.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import field, frozen

from orchestrator.core.excerpt import show_problem
from orchestrator.core.exits import describe_exit
from orchestrator.core.naming import CANNOT_UPDATE, PUT_OFF, ROLLED_BACK
from orchestrator.core.status import StatusRow, describe_last_good, format_age
from orchestrator.model.bundle import LogTarget
from orchestrator.model.problem import Problem
from orchestrator.model.source import Edit, Source
from orchestrator.model.state import PublicState
from orchestrator.model.usage import Usage

_UNITS = ("K", "M", "G", "T", "P")
_SHOWN_DIGEST = 12
_SOCKET = re.compile(r'sockets\.(?:"(?P<quoted>[^"]*)"|(?P<name>[^".]*))\.(?P<kind>stream|datagram)')
"""The path of the field that says where a socket listens."""


@frozen(kw_only=True)
class Seen:
    """What was looked at for an explanation."""

    now: float
    """Epoch seconds."""
    offset_of: Callable[[float], float]
    """How many seconds local time is ahead of UTC at a moment in epoch seconds."""
    file: Source | None = None
    """The definition's file as it is now; None where it is not known which that is."""
    usage: Usage | None = None
    trouble: str = ""
    """Why it is not known what it uses."""
    texts: Mapping[str, str | None] = field(factory=dict)
    """What the files with problems say, by path."""
    identifier: str = ""
    """What its entries in the journal are found by."""


@frozen
class Explanation:
    """A container's name, its state in one word and the rest of that sentence, labelled lines, and its problems with
    the places in their files."""

    name: str
    state: PublicState
    rest: str
    lines: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


def explain_row(row: StatusRow, fields: Mapping[str, Any], seen: Seen) -> Explanation:
    """A row explained. fields: what its definition asks for, by dotted path (`orchestrator.core.fields`)."""
    return Explanation(
        name=row.name,
        state=row.state,
        rest=_describe_state(row, seen),
        lines=tuple((label, text) for label, text in _describe_all(row, fields, seen) if text),
        problems=tuple(show_problem(problem, seen.texts.get(problem.file)) for problem in sorted(row.problems)),
    )


def _describe_state(row: StatusRow, seen: Seen) -> str:
    parts = []
    if row.held and row.state is PublicState.STOPPED:
        parts.append(" by an operator")
    elif row.pid is not None:
        parts.append(", ready" if row.ready else ", not ready")
    if row.since is not None:
        parts.append(f" since {format_local(row.since, seen.offset_of)} ({format_age(seen.now - row.since)} ago)")
    return "".join(parts)


def _describe_all(row: StatusRow, fields: Mapping[str, Any], seen: Seen) -> Iterator[tuple[str, str]]:
    """Label and text of each line; those without a text are not shown."""
    yield "why", _describe_why(row)
    yield "health", _describe_health(row)
    yield "says", row.status_text
    if row.next_retry_at is not None:
        yield "next try", f"in {format_age(row.next_retry_at - seen.now + 0.999)}"
    yield "edit", describe_edit(row.edit, seen.file, row.problems, seen.offset_of, message=row.message)
    yield "instance", _describe_instance(row, seen)
    if not row.held and row.state not in (PublicState.STOPPED, PublicState.INVALID):
        yield "sockets", ", ".join(_describe_sockets(fields))
    for link in row.store_links:
        yield "store", f"{link.path} → {link.target}"
    yield "bundle", (row.bundle or "")[:_SHOWN_DIGEST]
    yield "restarts", str(row.restarts) if row.restarts else ""
    unknown = row.last_exit is not None and row.last_exit.code is row.last_exit.signal is None
    if row.last_exit is not None and not (unknown and row.message):  # of a start that failed the message says why
        yield "last exit", f"{describe_exit(row.last_exit)}, {format_age(seen.now - row.last_exit.at)} ago"
    if row.cgroups_path is not None:
        yield from _describe_resources(fields, seen)
    yield "log", _describe_log(row, seen)


def _describe_health(row: StatusRow) -> str:
    if row.healthy is None:
        return ""
    return "its last probe succeeded" if row.healthy else "its last probe failed"


def _describe_sockets(fields: Mapping[str, Any]) -> Iterator[str]:
    """Where the agent listens for it."""
    for path, address in sorted(fields.items()):
        match = _SOCKET.fullmatch(path)
        if match is not None:
            kind = " (datagrams)" if match["kind"] == "datagram" else ""
            yield f"{match['quoted'] or match['name']} {address}{kind}"


_REFUSALS = (ROLLED_BACK, PUT_OFF, CANNOT_UPDATE)
"""How messages begin that say why an edit is not live."""


def _describe_why(row: StatusRow) -> str:
    if row.message:
        return row.message
    if row.problems and row.edit is not None and (last_good := describe_last_good(row.edit)):
        return f"its file has problems, so it {last_good}"
    if row.held:
        return f'an operator has stopped it: "orchestrator start {row.name}" lets it run again'
    if row.state in (PublicState.BACKOFF, PublicState.FAILED) and row.last_exit is not None:
        ended = describe_exit(row.last_exit)
        return f"it {'was ' if row.last_exit.signal is not None else ''}{ended}"
    if row.state is PublicState.INVALID:
        return "its definition has problems, and nothing of it runs"
    return ""


def describe_edit(
    live: Edit | None,
    file: Source | None,
    problems: Sequence[Problem],
    offset_of: Callable[[float], float],
    *,
    message: str = "",
) -> str:
    """Which edit of the definition is live, compared with what the file says now; empty where neither is known.
    message: what is told of the container, which may be why an edit is not."""
    if live is None:
        return f"none is live: {_count(problems)}" if problems else ""
    when = format_local(live.modified_at, offset_of)
    text = f"{live.file} of {when}"
    if live.generation is not None:
        text += f" (generation {live.generation})"
    if file is None:
        return text
    if file.text is None:
        return f"{text}: live; now {file.error or 'it cannot be read'}"
    if hashlib.sha256(file.text.encode("utf-8", "surrogatepass")).hexdigest() == live.digest:
        return f"{text}: live" + (f", now with {_count(problems)}" if problems else "")
    edited = format_local(file.modified_at, offset_of)
    refused = message.startswith(_REFUSALS)
    unseen = "not acted on yet" if live.generation is None else "not followed"
    why = _count(problems) or ("see why" if refused else unseen)
    return f"{text} is live; the file was edited at {edited}: not live, {why}"


def _describe_instance(row: StatusRow, seen: Seen) -> str:
    if row.instance is None:
        return ""
    parts = [row.instance]
    if row.pid is not None:
        parts.append(f"process {row.pid}")
        if row.started_at is not None:
            parts.append(f"started at {format_local(row.started_at, seen.offset_of)}")
    return ", ".join(parts)


def _describe_resources(fields: Mapping[str, Any], seen: Seen) -> Iterator[tuple[str, str]]:
    usage = seen.usage or Usage()
    if seen.trouble:
        yield "resources", seen.trouble
    memory = _describe_limits(fields, memory="at most {}", memory_swap="with swap at most {}")
    yield "memory", _join(None if usage.memory is None else format_bytes(usage.memory), memory)
    yield "processes", _join(usage.pids, _describe_limits(fields, pids="at most {}"))
    cpu = _describe_limits(fields, cpus="at most {} processors", cpu_weight="weight {}")
    yield "processor", _join(None if usage.cpu_seconds is None else f"{usage.cpu_seconds:.1f} s", cpu)
    yield "disks", _join(None, _describe_limits(fields, io_weight="weight {}"))


def _describe_limits(fields: Mapping[str, Any], **phrases: str) -> list[str]:
    given = {name: fields.get(f"resources.{name}") for name in phrases}
    return [phrase.format(given[name]) for name, phrase in phrases.items() if given[name] is not None]


def _join(used: object, limits: Sequence[str]) -> str:
    return ", ".join([*([str(used)] if used is not None else []), *limits])


def _describe_log(row: StatusRow, seen: Seen) -> str:
    match row.log_target:
        case LogTarget.FILE:
            return row.log or ""
        case LogTarget.JOURNAL:
            return f"the journal (journalctl -t {seen.identifier})"
        case LogTarget.NONE:
            return "none is kept"


def _count(problems: Sequence[Problem]) -> str:
    return f"{len(problems)} problem{'s' if len(problems) > 1 else ''}" if problems else ""


def format_local(seconds: float, offset_of: Callable[[float], float]) -> str:
    """Epoch seconds in local time, for people: ``2026-01-31 12:00:00``; as in UTC outside of the years 1970 to 9999."""
    limit = 253402300799.0 - 86400
    shifted = min(max(seconds, 0.0), limit) + offset_of(min(max(seconds, 0.0), limit))
    return datetime.fromtimestamp(max(shifted, 0.0), UTC).strftime("%Y-%m-%d %H:%M:%S")


def format_bytes(count: int) -> str:
    """A size for people, rounded to one decimal: ``512``, ``1.5K``, ``12.0M``."""
    size, unit = float(count), ""
    for larger in _UNITS:
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.1f}{unit}" if unit else str(count)
