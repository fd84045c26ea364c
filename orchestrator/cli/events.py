"""`orchestrator events`: what has happened to the containers, and with ``-f`` what happens from now on.

Reads the event log alone and needs no agent; the log's bound cuts off its head meanwhile. Floor: cli.
"""

import json
import os
import sys
import time
from collections import deque
from collections.abc import Collection, Iterable
from typing import cast

import click
from attrs import frozen

from orchestrator.cli.errors import FAILED, INTERRUPTED, one_line, warn, write_output
from orchestrator.cli.names import complete_names
from orchestrator.cli.settings import layout_of, since_option, state_option
from orchestrator.core.encode import DamagedState, decode_record
from orchestrator.core.records import describe_record, record_to_json
from orchestrator.core.suggest import suggest_similar
from orchestrator.model.eventlog import Record, RecordKind
from orchestrator.ports import OutsideError, single_errors
from orchestrator.system.logs import LogReader, Piece

DEFAULT_RECORDS = 100

STYLES = {
    RecordKind.STARTED: "green",
    RecordKind.READY: "green",
    RecordKind.COMPLETED: "green",
    RecordKind.MENDED: "green",
    RecordKind.REPLACED: "cyan",
    RecordKind.UPDATED: "cyan",
    RecordKind.RETUNED: "cyan",
    RecordKind.OPERATOR: "cyan",
    RecordKind.UNREADY: "yellow",
    RecordKind.STOPPING: "yellow",
    RecordKind.EXITED: "yellow",
    RecordKind.RETRY: "yellow",
    RecordKind.START_FAILED: "red",
    RecordKind.GAVE_UP: "red",
    RecordKind.PROBLEM: "red",
    RecordKind.TROUBLE: "red",
}
"""The colour of a kind on a terminal; those that are not here have none."""

_LATEST = 253402214400.0
"""The last day of the year 9999: what claims to be later is damaged, and no reason to show nothing."""


class EventsUnreadable(OutsideError):
    """The event log cannot be read."""


@frozen(kw_only=True)
class Selection:
    """Which records are shown: those of ``names`` (of all, where it is empty) since a moment, in epoch seconds."""

    names: Collection[str] = ()
    since: float | None = None

    def takes(self, record: Record) -> bool:
        """Whether a record is one of them."""
        if self.names and record.name not in self.names:
            return False
        return self.since is None or record.at >= self.since


def take_count(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    """A click callback: a number of events, or ``all``, as it is, or None where nothing is said."""
    if value is None or value == "all":
        return value
    if value.isascii() and value.isdigit():
        return int(value)
    raise click.BadParameter(f'"{value}" is neither a number of events nor "all"', ctx, param)


@click.command("events")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now on.")
@click.option("--json", "as_json", is_flag=True, help="An object a line, for programs.")
@click.option(
    "-n",
    "--lines",
    metavar="N|all",
    callback=take_count,
    show_default=f"{DEFAULT_RECORDS}; with --since all",
    help="How many of the last events to begin with.",
)
@since_option
@state_option
def command(
    names: tuple[str, ...], follow: bool, as_json: bool, lines: int | str | None, since: float | None, state: str
) -> int:
    """Show what has happened: to all containers and to the agent, or to the containers NAME.

    Exit code 1 if the event log tells nothing of one of them.
    """
    if lines is None:
        count = None if since is not None else DEFAULT_RECORDS
    else:
        count = None if lines == "all" else cast("int", lines)
    path = layout_of(state, "").events
    printer = _Printer(Selection(names=frozenset(names), since=since), as_json=as_json)
    try:
        _print_events(path, count, printer, follow=follow)
    except BaseException as error:
        if all(isinstance(leaf, KeyboardInterrupt) for leaf in single_errors(error)):
            return INTERRUPTED
        raise
    unknown = [name for name in dict.fromkeys(names) if name not in printer.seen]
    for name in unknown:
        hint = suggest_similar(name, printer.seen)
        warn(f'there is no event of "{name}"{f" ({hint})" if hint else ""}')
    return FAILED if unknown else 0


def _print_events(path: str, count: int | None, printer: "_Printer", *, follow: bool) -> None:
    """Raises EventsUnreadable, NoWatchesLeft, LogUnwatchable, OutputFailed, BrokenPipeError."""
    try:
        end = _print_past(path, count, printer)
    except FileNotFoundError:
        if not follow or not os.path.isdir(os.path.dirname(path)):
            raise EventsUnreadable(f"there is no event log ({path}): has an agent ever run?") from None
        warn(f"there is no event log yet, waiting for {path}")
        end = 0
    except BrokenPipeError:
        raise  # it is of the output, not of the log
    except OSError as error:
        raise EventsUnreadable(f"cannot read the event log ({error.filename or path}): {error.strerror}") from None
    if follow:
        import trio  # 30 ms, which reading alone does without

        trio.run(_follow, path, end, printer)


def _print_past(path: str, count: int | None, printer: "_Printer") -> int:
    """Print the last ``count`` records that are selected, or all. Returns the position that was read to."""
    parts = []
    with LogReader(path) as reader:
        end = reader.seek_tail(None)  # as it is now: under a fast writer there would be no other
        while reader.position < end and (piece := reader.read(end - reader.position)):
            parts.append(piece.data)
    printer.print_last(b"".join(parts).splitlines(), count)
    return end


async def _follow(path: str, begin: int, printer: "_Printer") -> None:
    from orchestrator.system.logfollow import LogFollower

    try:
        with LogFollower(path, None, begin) as follower:
            async for piece in follower:
                printer.print_piece(piece)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise EventsUnreadable(f"cannot read the event log ({error.filename or path}): {error.strerror}") from None


class _Printer:
    """Selected records on standard output; lines that are none are counted."""

    def __init__(self, selection: Selection, *, as_json: bool) -> None:
        self._selection = selection
        self._as_json = as_json
        self._coloured = not as_json and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._begun = b""
        self.seen: set[str] = set()
        """The containers of which something is told, selected or not."""

    def print_last(self, lines: Iterable[bytes], count: int | None) -> None:
        """Print the last ``count`` of the lines that are selected; None: all."""
        chosen: deque[Record] = deque(maxlen=count)
        damaged = 0
        for line in lines:
            record = _read_line(line)
            if record is None:
                damaged += 1
                continue
            if record.name:
                self.seen.add(record.name)
            if self._selection.takes(record):
                chosen.append(record)
        write_output("".join(self._format(record) for record in chosen))
        if damaged:
            warn(f"{damaged} damaged line{'s' if damaged > 1 else ''} of the event log left out")

    def print_piece(self, piece: Piece) -> None:
        """Print the lines that a piece ends, and say what was dropped before it."""
        if piece.dropped:
            warn(f"{piece.dropped} bytes were dropped from the event log before they could be shown")
            self._begun = b""
        *lines, self._begun = (self._begun + piece.data).split(b"\n")
        self.print_last(lines, None)

    def _format(self, record: Record) -> str:
        if self._as_json:
            return json.dumps(record_to_json(record)) + "\n"
        at = min(max(record.at, 0.0), _LATEST)
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
        text = one_line(describe_record(record))
        colour = STYLES.get(record.kind) if self._coloured else None
        return f"{moment}  {click.style(text, fg=colour) if colour else text}\n"


def _read_line(line: bytes) -> Record | None:
    try:
        return decode_record(line.decode())
    except (UnicodeDecodeError, DamagedState):
        return None
