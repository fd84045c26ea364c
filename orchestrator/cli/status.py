"""`orchestrator status`: how the containers are, from the state files and a look at their processes; needs no agent.

Floor: cli.
"""

import json
import os
import time
from collections.abc import Sequence

import click

from orchestrator.cli.errors import FAILED, one_line, warn, write_output
from orchestrator.cli.settings import default_state, layout_of, run_option
from orchestrator.cli.table import print_table
from orchestrator.core.status import StatusRow, describe_row, format_age, make_rows, row_to_json
from orchestrator.model.layout import Layout
from orchestrator.model.problem import Problem
from orchestrator.model.state import AgentState, NameState
from orchestrator.ports import OutsideError
from orchestrator.system.states import DamagedFile, Reading, find_living, is_alive, read_agent, read_names

HEADERS = ("NAME", "STATE", "READY", "PID", "SINCE", "RESTARTS", "MESSAGE")


class UnknownName(OutsideError):
    """A name was asked for that has no state."""


@click.command("status")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")
@run_option
def command(names: tuple[str, ...], as_json: bool, run: str) -> int:
    """Show how the containers are: all, or those of the names given. Needs no agent."""
    return show_status(layout_of(default_state(), run), names, as_json=as_json)


def show_status(layout: Layout, names: Sequence[str] = (), *, as_json: bool = False) -> int:
    """Print how the containers are, what is wrong on stderr or below, and return the exit code: 1 if a state file is
    damaged, else 0 whatever the containers' states, also where no agent runs or ever ran: that nothing is there is an
    answer. Raises UnknownName for a name that was asked for and has no state, DiskFailed, OutputFailed."""
    reading, written = read_names(layout), read_agent(layout)
    agent = written if isinstance(written, AgentState) and is_alive(written.pid, written.pid_start_time) else None
    nobody = (
        f"no agent is running (run directory {layout.run}{'' if os.path.isdir(layout.run) else ', which is missing'})"
    )
    if names:
        reading = _select(reading, names, "" if agent is not None or reading.states else f": {nobody}")
    rows = make_rows(reading.states, find_living(reading.states), agent is not None)
    nameless = agent.problems if agent is not None and not names else ()
    if agent is None:
        warn(nobody)
    elif agent.message:
        warn(agent.message)
    if as_json:
        write_output(json.dumps([row_to_json(row) for row in rows], indent=2) + "\n")
        for problem in nameless:
            warn(str(problem))
    else:
        _print(rows, [*nameless, *(problem for row in rows for problem in row.problems)])
    damaged = (*reading.damaged, written) if isinstance(written, DamagedFile) else reading.damaged
    for file in damaged:
        warn(str(file))
    return FAILED if damaged else 0


def _select(reading: Reading[NameState], names: Sequence[str], reason: str) -> Reading[NameState]:
    """What was read of these names. reason: why there may be none. Raises UnknownName."""
    known = {state.name for state in reading.states} | {file.name for file in reading.damaged}
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        from orchestrator.core.suggest import suggest_similar

        hints = [hint for name in unknown if (hint := suggest_similar(name, known))]
        quoted = ", ".join(f'"{name}"' for name in unknown)
        raise UnknownName(f"there is no container {quoted}{_bracketed(hints)}{reason}")
    return Reading(
        tuple(state for state in reading.states if state.name in names),
        tuple(file for file in reading.damaged if file.name in names),
    )


def _bracketed(hints: Sequence[str]) -> str:
    return f" ({' '.join(hints)})" if hints else ""


def _print(rows: Sequence[StatusRow], problems: Sequence[Problem]) -> None:
    now = time.time()
    if rows:
        print_table(HEADERS, [_cells(row, now) for row in rows])
    else:
        warn("there is no container")
    if problems:
        write_output("\nproblems:\n" + "".join(f"  {one_line(str(problem))}\n" for problem in sorted(problems)))


def _cells(row: StatusRow, now: float) -> tuple[str, ...]:
    return (
        row.name,
        row.state.value,
        "-" if row.pid is None else "yes" if row.ready else "no",
        "-" if row.pid is None else str(row.pid),
        "-" if row.since is None else f"{format_age(now - row.since)} ago",
        str(row.restarts),
        describe_row(row, now),
    )
