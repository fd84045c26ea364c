"""`orchestrator status`: how the containers are, from the state files and a look at their processes; needs no agent.

Several are a table, one is explained, and with ``--watch`` it goes on (`orchestrator.cli.status_watch`). Floor: cli.
"""

import json
import os
import time
from collections.abc import Sequence

import click
from attrs import evolve, frozen

from orchestrator.cli.errors import FAILED, one_line, warn, write_output
from orchestrator.cli.names import complete_names
from orchestrator.cli.settings import default_state, layout_of, run_option
from orchestrator.cli.table import format_table
from orchestrator.core.status import StatusRow, describe_pin, describe_row, format_age, make_rows, row_to_json
from orchestrator.model.layout import Layout
from orchestrator.model.problem import Problem
from orchestrator.model.state import AgentState, NameState
from orchestrator.ports import OutsideError
from orchestrator.system.states import DamagedFile, Reading, find_living, is_alive, read_agent, read_names
from orchestrator.system.statfs import is_readonly

HEADERS = ("NAME", "STATE", "READY", "PID", "SINCE", "RESTARTS", "MESSAGE")


class UnknownName(OutsideError):
    """A name was asked for that has no state."""


@click.command("status")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs; with --watch one a line.")
@click.option("--watch", is_flag=True, help="Go on, and show each change.")
@run_option
def command(names: tuple[str, ...], as_json: bool, watch: bool, run: str) -> int:
    """Show how the containers are: all, or those of the names given. One alone is explained. Needs no agent."""
    layout = layout_of(default_state(), run)
    if watch:
        from orchestrator.cli.status_watch import watch_status

        return watch_status(layout, names, as_json=as_json)
    return show_status(layout, names, as_json=as_json)


@frozen
class Files:
    """The state files as they were read: those of the names asked for, and the agent's."""

    names: Reading[NameState]
    agent: AgentState | DamagedFile | None


@frozen(kw_only=True)
class View:
    """All that there is to show, of one moment."""

    rows: tuple[StatusRow, ...]
    nameless: tuple[Problem, ...] = ()
    """Those of files that name no container."""
    warnings: tuple[str, ...]

    @property
    def problems(self) -> list[Problem]:
        """All of them, by place."""
        return sorted([*self.nameless, *(problem for row in self.rows for problem in row.problems)])


def show_status(layout: Layout, names: Sequence[str] = (), *, as_json: bool = False) -> int:
    """Print how the containers are, what is wrong on stderr or below, and return the exit code: 1 if a state file is
    damaged, else 0 whatever the containers' states, also where no agent runs or ever ran: that nothing is there is an
    answer. Raises UnknownName for a name that was asked for and has no state, DiskFailed, OutputFailed."""
    files = read_files(layout)
    if names:
        nobody = _describe_nobody(layout) if not files.names.states and not is_agent_alive(files) else ""
        files = evolve(files, names=_select(files.names, names, nobody))
    view = take_view(layout, files, with_nameless=not names)
    for text in view.warnings:
        warn(text)
    if as_json:
        write_output(json.dumps([row_to_json(row) for row in view.rows], indent=2) + "\n")
        for problem in view.nameless:
            warn(str(problem))
    elif len(set(names)) == 1 and files.names.states:
        from orchestrator.cli.explained import print_explained

        print_explained(view.rows[0], files.names.states[0].fields, layout)
    else:
        if not view.rows:
            warn("there is no container")
        write_output(format_view(view))
    damaged = [file for file in (*files.names.damaged, files.agent) if isinstance(file, DamagedFile)]
    for file in damaged:
        warn(str(file))
    return FAILED if damaged else 0


def read_files(layout: Layout) -> Files:
    """All state files. Raises DiskFailed."""
    return Files(read_names(layout), read_agent(layout))


def is_agent_alive(files: Files) -> bool:
    """Whether the agent that wrote the files is there."""
    agent = files.agent
    return isinstance(agent, AgentState) and is_alive(agent.pid, agent.pid_start_time)


def take_view(layout: Layout, files: Files, *, with_nameless: bool) -> View:
    """What the files claim, and what of it is seen alive now."""
    agent = files.agent if isinstance(files.agent, AgentState) and is_agent_alive(files) else None
    messages = _describe_agent(layout, agent) if agent is not None else (_describe_nobody(layout),)
    return View(
        rows=make_rows(files.names.states, find_living(files.names.states), agent is not None),
        nameless=agent.problems if agent is not None and with_nameless else (),
        warnings=messages,
    )


def format_view(view: View) -> str:
    """The table and the problems below it, for people; empty if there is neither."""
    now = time.time()
    table = format_table(HEADERS, [_cells(row, now) for row in view.rows]) if view.rows else ""
    if not view.problems:
        return table
    return f"{table}\nproblems:\n" + "".join(f"  {one_line(str(problem))}\n" for problem in view.problems)


def _describe_agent(layout: Layout, agent: AgentState) -> tuple[str, ...]:
    """What there is to know of the agent before all else."""
    pinned = describe_pin(agent.pinned) if agent.pinned is not None else ""
    # Of this the agent cannot write a word.
    readonly = f"{layout.run} is read-only: what is shown may be old" if is_readonly(layout.run) else ""
    return tuple(filter(None, (agent.message, pinned, agent.history_trouble, *agent.troubles, readonly)))


def _describe_nobody(layout: Layout) -> str:
    missing = "" if os.path.isdir(layout.run) else ", which is missing"
    return f"no agent is running (run directory {layout.run}{missing})"


def _select(reading: Reading[NameState], names: Sequence[str], reason: str) -> Reading[NameState]:
    """What was read of these names. reason: why there may be none. Raises UnknownName."""
    known = {state.name for state in reading.states} | {file.name for file in reading.damaged}
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        from orchestrator.core.suggest import suggest_similar

        hints = [hint for name in unknown if (hint := suggest_similar(name, known))]
        quoted = ", ".join(f'"{name}"' for name in unknown)
        bracketed = f" ({' '.join(hints)})" if hints else ""
        raise UnknownName(f"there is no container {quoted}{bracketed}{f': {reason}' if reason else ''}")
    return select_names(reading, names)


def select_names(reading: Reading[NameState], names: Sequence[str]) -> Reading[NameState]:
    """What was read of these names, as far as there is anything."""
    return Reading(
        tuple(state for state in reading.states if state.name in names),
        tuple(file for file in reading.damaged if file.name in names),
    )


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
