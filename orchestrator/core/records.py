"""Records of the event log: made from a change of a name's state or an action of a plan, told in words and as JSON.

The states that people are told lie close together or are skipped where much happens at once, so a record is made from
what differs between two of them. Writing records is left to the outside. Floor: core.
"""

from collections.abc import Iterator
from typing import Any

from orchestrator.core.changes import explain_change, show_change
from orchestrator.core.encode import to_plain
from orchestrator.core.exits import describe_exit
from orchestrator.core.fields import HOST_PREFIX
from orchestrator.core.health import NOT_READY, UNHEALTHY
from orchestrator.core.naming import BESIDE
from orchestrator.core.order import STOPS_ONCE, WAITS_FOR
from orchestrator.core.status import describe_last_good, format_time
from orchestrator.core.values import format_duration
from orchestrator.model.action import Action, FieldChange, Replace, Retune, Target, Update
from orchestrator.model.eventlog import Record, RecordKind
from orchestrator.model.state import NameState, PublicState

HIDDEN = "…"
"""What stands for the value of a variable."""

_VARIABLES = ("env.", f"{HOST_PREFIX}process.env.")

MOST_CHANGES_SHOWN = 3
"""Changes that a line for people names; the others are counted."""

_ORDER = (WAITS_FOR, STOPS_ONCE)
_NO_TROUBLE = (*_ORDER, NOT_READY, UNHEALTHY)
"""How messages begin of what is no trouble, or is told as it comes and goes by more than words."""

_RESTS = {
    PublicState.COMPLETED: RecordKind.COMPLETED,
    PublicState.FAILED: RecordKind.GAVE_UP,
    PublicState.STOPPED: RecordKind.STOPPED,
}


def note_change(before: NameState | None, after: NameState, at: float) -> tuple[Record, ...]:
    """What happened between two states of a name, in its order. at: now, in epoch seconds."""
    happened = list(_note_life(before, after, at))
    told = {*(record.message for record in happened), describe_exit(after.last_exit), ""}
    trouble = _cut_order(after.message)
    told_already = trouble in told or (before is not None and _cut_order(before.message) == trouble)
    if not told_already and not trouble.startswith(_NO_TROUBLE):
        happened.append(Record(at=at, kind=RecordKind.TROUBLE, name=after.name, message=trouble))
    known = before.problems if before is not None else ()
    if after.problems and after.problems != known:
        instead = describe_last_good(after.edit) if after.edit is not None else ""
        happened.append(
            Record(at=at, kind=RecordKind.PROBLEM, name=after.name, message=instead, problems=after.problems)
        )
    elif known and not after.problems:
        happened.append(Record(at=at, kind=RecordKind.MENDED, name=after.name))
    return tuple(happened)


def _cut_order(message: str) -> str:
    """Without what comes and goes beside a trouble: that it waits for others."""
    for waits in _ORDER:
        message = message.partition(f"{BESIDE}{waits}")[0]
    return message


def _note_life(before: NameState | None, after: NameState, at: float) -> Iterator[Record]:
    name, instance = after.name, after.instance
    state_before = before.state if before is not None else None
    if _has_started(before, after):
        message = "" if after.pid is None else f"pid {after.pid}"
        yield Record(at=at, kind=RecordKind.STARTED, name=name, instance=instance, message=message)
    yield from _note_readiness(before, after, at)
    asked_to_end = after.state is PublicState.STOPPING and after.pid is not None and after.started_at is not None
    if asked_to_end and state_before is not PublicState.STOPPING:
        known = (before.message if before is not None else after.message, describe_exit(after.last_exit))
        why = "" if after.message in known or after.message.startswith(_NO_TROUBLE) else after.message
        yield Record(at=at, kind=RecordKind.STOPPING, name=name, instance=instance, message=why)
    if after.last_exit is not None and (before is None or before.last_exit != after.last_exit):
        ended = instance or (before.instance if before is not None else None)
        if _has_run(before, after):
            yield Record(at=at, kind=RecordKind.EXITED, name=name, instance=ended, exit=after.last_exit)
        else:
            yield Record(at=at, kind=RecordKind.START_FAILED, name=name, instance=ended, message=after.message)
    if after.next_retry_at is not None and (before is None or before.next_retry_at != after.next_retry_at):
        yield Record(at=at, kind=RecordKind.RETRY, name=name, retry_at=after.next_retry_at)
    if after.state in _RESTS and state_before is not after.state:
        message = after.message if after.state is PublicState.FAILED else ""
        yield Record(at=at, kind=_RESTS[after.state], name=name, message=message)


def _note_readiness(before: NameState | None, after: NameState, at: float) -> Iterator[Record]:
    """That it has become ready, if that is more than having been started; and that it is so no more."""
    if after.state is not PublicState.RUNNING:
        return
    if before is not None and before.state is PublicState.RUNNING and before.instance == after.instance:
        changed = before.ready is not after.ready
    else:
        changed = after.ready and _has_started(before, after) and "ready" in after.fields
    if changed:
        kind, message = (RecordKind.READY, "") if after.ready else (RecordKind.UNREADY, after.message)
        yield Record(at=at, kind=kind, name=after.name, instance=after.instance, message=message)


def _has_started(before: NameState | None, after: NameState) -> bool:
    """Whether an application has begun. One that is seen first while it ends was started by an earlier agent."""
    if after.started_at is None or (before is None and after.state is not PublicState.RUNNING):
        return False
    return before is None or before.instance != after.instance or before.started_at is None


def _has_run(before: NameState | None, after: NameState) -> bool:
    """Whether the last exit is that of an application, and not a start that failed."""
    ended = after.last_exit
    seen = ended is not None and (ended.code is not None or ended.signal is not None)
    return seen or after.started_at is not None or (before is not None and before.started_at is not None)


def note_action(name: str, action: Action, before: Target | None, at: float) -> Record | None:
    """What an action does to a container that there is, and because of which fields; None where its life tells all
    that there is to tell. before: what it was last told to be."""
    match action:
        case Replace(target):
            kind = RecordKind.REPLACED
        case Update(target):
            kind = RecordKind.UPDATED
        case Retune(target):
            kind = RecordKind.RETUNED
        case _:
            return None
    changes = explain_change(before, target) if before is not None else ()
    return Record(at=at, kind=kind, name=name, fields=tuple(map(_hide_variable, changes)))


def _hide_variable(change: FieldChange) -> FieldChange:
    """A record is told to all who read the agent's output or the journal, so of a variable its name only."""
    if not change.path.startswith(_VARIABLES):
        return change
    old, new = (None if value is None else HIDDEN for value in (change.old, change.new))
    return FieldChange(change.path, old, new)


def describe_record(record: Record) -> str:
    """A record in one line for people, without its time: ``web: exited with code 3``."""
    match record.kind:
        case RecordKind.STARTED:
            inside = ", ".join(part for part in (record.message, record.instance) if part)
            text = f"started ({inside})" if inside else "started"
        case RecordKind.EXITED:
            text = describe_exit(record.exit)
        case RecordKind.RETRY:
            wait = max((record.retry_at or record.at) - record.at, 0.0)
            text = f"tries again in {format_duration(wait if wait < 1 else round(wait))}"
        case RecordKind.PROBLEM if record.problems:
            # It begins with its file, which says whose it is.
            text = _count_rest([str(problem) for problem in record.problems], 1)
            return f"{text}; {record.name}: {record.message}" if record.message else text
        case RecordKind.TROUBLE | RecordKind.MENDED if record.message:
            text = record.message
        case RecordKind.REPLACED | RecordKind.UPDATED | RecordKind.RETUNED if record.fields:
            shown = _count_rest([show_change(change) for change in record.fields], MOST_CHANGES_SHOWN)
            text = f"{record.kind.value}: {shown}"
        case _:
            told = record.message.startswith(record.kind.value)
            text = record.message if told else ": ".join(filter(None, (record.kind.value, record.message)))
    return f"{record.name}: {text}" if record.name else text


def list_lines(record: Record) -> tuple[str, ...]:
    """The lines of a record where it is told as it happens: of problems every one, then what follows from them."""
    if record.kind is RecordKind.PROBLEM:
        problems = tuple(str(problem) for problem in record.problems)
        return (*problems, f"{record.name}: {record.message}") if record.message else problems
    return (describe_record(record),)


def record_to_json(record: Record) -> dict[str, Any]:
    """A record as programs are shown it, by ``events --json`` and by the control socket: every field of it in its
    order, times as `format_time` writes them."""
    data: dict[str, Any] = to_plain(record)
    data["at"] = format_time(record.at)
    if record.retry_at is not None:
        data["retry_at"] = format_time(record.retry_at)
    if record.exit is not None:
        data["exit"]["at"] = format_time(record.exit.at)
    return data


def _count_rest(texts: list[str], most: int) -> str:
    rest = len(texts) - most
    return "; ".join(texts[:most]) + (f" (and {rest} more)" if rest > 0 else "")
