"""What people and programs are told of each container: state files and what is observed alive become status rows.

Reading the files and looking at processes is left to `orchestrator.system.states`, showing to `orchestrator.cli`.
Floor: core.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from attrs import evolve, frozen

from orchestrator.core.encode import to_plain
from orchestrator.core.exits import describe_exit
from orchestrator.model.bundle import LogTarget
from orchestrator.model.life import Exit
from orchestrator.model.problem import Problem
from orchestrator.model.source import Edit
from orchestrator.model.state import NameState, PublicState
from orchestrator.model.store import StoreLink

_SETTLED = frozenset(
    {PublicState.STOPPED, PublicState.FAILED, PublicState.COMPLETED, PublicState.INVALID, PublicState.IDLE}
)
"""States that need no agent to stay true."""

_LATEST = 253402300799.0
"""The last second of the year 9999, where the calendar of datetime ends."""

UNSUPERVISED = "it goes on without an agent: nobody restarts it"
ENDED_UNSEEN = "it ended while no agent was there"
NOT_GOING_ON = "the agent is gone"


@frozen(kw_only=True)
class StatusRow:
    """One container by name, as it is now. Times are epoch seconds; ``since`` is None where nobody saw it."""

    name: str
    state: PublicState
    ready: bool
    pid: int | None
    instance: str | None
    bundle: str | None
    started_at: float | None
    restarts: int
    next_retry_at: float | None
    last_exit: Exit | None
    problems: tuple[Problem, ...]
    log: str | None
    message: str
    since: float | None
    held: bool
    log_target: LogTarget
    edit: Edit | None
    cgroups_path: str | None
    healthy: bool | None
    status_text: str
    waits_for: tuple[str, ...]
    store_links: tuple[StoreLink, ...]


def make_rows(names: Iterable[NameState], living: Collection[str], agent_alive: bool) -> tuple[StatusRow, ...]:
    """The rows, sorted by name.

    living: the names whose process (pid and start time) is alive. While an agent is there its files are believed:
    a process that has just ended is its to report.
    """
    rows = []
    for state in sorted(names, key=lambda state: state.name):
        row = _row_of(state)
        rows.append(row if agent_alive else _without_agent(row, state.name in living))
    return tuple(rows)


def _row_of(state: NameState) -> StatusRow:
    return StatusRow(
        name=state.name,
        state=state.state,
        ready=state.ready,
        pid=state.pid,
        instance=state.instance,
        bundle=state.bundle,
        started_at=state.started_at,
        restarts=state.restarts,
        next_retry_at=state.next_retry_at,
        last_exit=state.last_exit,
        problems=state.problems,
        log=state.log,
        message=state.message,
        since=state.since,
        held=state.held,
        log_target=state.log_target,
        edit=state.edit,
        cgroups_path=state.cgroups_path,
        healthy=state.healthy,
        status_text=state.status_text,
        waits_for=state.waits_for,
        store_links=state.store_links,
    )


def _without_agent(row: StatusRow, alive: bool) -> StatusRow:
    """What is left of a claim when nobody keeps it up."""
    if row.state in _SETTLED:
        return row
    if alive:
        message = f"{row.message}; {UNSUPERVISED}" if row.message else UNSUPERVISED
        return evolve(row, message=message, healthy=None)
    ended = row.pid is not None
    return evolve(
        row,
        state=PublicState.STOPPED,
        ready=False,
        pid=None,
        started_at=None,
        next_retry_at=None,
        message=f"{NOT_GOING_ON}: {ENDED_UNSEEN}" if ended else NOT_GOING_ON,
        since=None,
        cgroups_path=None,
        healthy=None,
        status_text="",
        waits_for=(),
    )


def row_to_json(row: StatusRow) -> dict[str, Any]:
    """A row as ``status --json`` has it: the fields in their order, times as `format_time` writes them.

    ``last_exit`` is ``{code, signal, oom, at}`` or null, a problem ``{file, line, column, path, message, hint}``,
    ``edit`` ``{file, modified_at, digest}`` or null.
    """
    data: dict[str, Any] = to_plain(row)
    for key in ("started_at", "next_retry_at", "since"):
        if data[key] is not None:
            data[key] = format_time(data[key])
    if data["last_exit"] is not None:
        data["last_exit"]["at"] = format_time(data["last_exit"]["at"])
    if data["edit"] is not None:
        data["edit"]["modified_at"] = format_time(data["edit"]["modified_at"])
    return data


def describe_last_good(live: Edit) -> str:
    """What there is to say of a container whose file has problems, where its definition is a kept one."""
    return "" if live.generation is None else f"goes by its last good definition, of generation {live.generation}"


def describe_pin(number: int) -> str:
    """A line that tells of a pinned generation."""
    return f"generation {number} is pinned: edits change nothing until `orchestrator rollback --resume`"


def format_time(seconds: float) -> str:
    """Epoch seconds as RFC 3339 in UTC with milliseconds: ``2026-01-31T12:00:00.250Z``. Out of the years 1970 to 9999
    the nearest time within."""
    moment = datetime.fromtimestamp(round(min(max(seconds, 0.0), _LATEST), 3), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_age(seconds: float) -> str:
    """A duration for people, rounded down, in its two largest units: ``3d4h``, ``2m10s``, ``5s``, ``0s``."""
    left = max(int(seconds), 0)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    shown = [part for part in parts[:2] if not part.startswith("0")]
    return "".join(shown) or "0s"


def describe_row(row: StatusRow, now: float, problems_at: str = "see below") -> str:
    """The row's message for people, in one line: why it is so, how it ended last, when it is tried again.

    problems_at: where its problems are told."""
    parts = [row.message] if row.message else []
    if not parts and row.last_exit is not None and row.state in (PublicState.BACKOFF, PublicState.FAILED):
        parts.append(describe_exit(row.last_exit))
    if not parts and row.held and row.state is PublicState.STOPPED:
        parts.append("by an operator")
    if not parts and row.status_text:
        parts.append(row.status_text)
    if row.problems and row.edit is not None and (last_good := describe_last_good(row.edit)):
        parts.append(last_good)
    if row.next_retry_at is not None:
        parts.append(f"next try in {format_age(row.next_retry_at - now + 0.999)}")
    if row.problems:
        parts.append(f"{len(row.problems)} problem{'s' if len(row.problems) > 1 else ''}, {problems_at}")
    return "; ".join(parts)
