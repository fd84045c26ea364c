"""`orchestrator history`: the generations, when each was accepted and what it changed. Reads the state directory alone.

Floor: cli.
"""

import json
import time

import click

from orchestrator.cli.errors import warn, write_output
from orchestrator.cli.generations import open_shelf
from orchestrator.cli.settings import layout_of, state_option
from orchestrator.cli.table import print_table
from orchestrator.core.explain import format_local
from orchestrator.core.history import describe_changed, describe_marks, listed_to_json
from orchestrator.core.status import describe_pin
from orchestrator.model.generation import Listed

HEADERS = ("GENERATION", "WHEN", "DEFINITIONS", "CHANGE", "")


@click.command("history")
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")
@state_option
def command(as_json: bool, state: str) -> int:
    """Show the generations: the states of the directory that were accepted, the newest last. Needs no agent.

    One is live: the newest, or the one that `rollback` has pinned.
    """
    shelf = open_shelf(layout_of(state, ""))
    listed = shelf.list_all()
    if as_json:
        write_output(json.dumps([listed_to_json(each) for each in listed], indent=2) + "\n")
        return 0
    print_table(HEADERS, [_cells(each) for each in listed])
    if shelf.pinned is not None:
        warn(describe_pin(shelf.pinned))
    return 0


def _cells(listed: Listed) -> tuple[str, ...]:
    when = format_local(listed.at, lambda at: time.localtime(at).tm_gmtoff)
    marks = describe_marks(listed)
    return (str(listed.number), when, str(listed.definitions), describe_changed(listed.changed), marks)
