"""`orchestrator diff`: how two generations differ, name by name and field by field. Reads the state directory alone.

Floor: cli.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import click

from orchestrator.cli.errors import one_line, write_output
from orchestrator.cli.generations import NUMBER, Shelf, open_shelf
from orchestrator.cli.names import complete_generations
from orchestrator.cli.settings import default_config, layout_of, state_option
from orchestrator.core.fields import describe_fields
from orchestrator.core.generations import make_source
from orchestrator.core.history import describe_difference, diff_generations, difference_to_json
from orchestrator.model.definition import Definition
from orchestrator.model.generation import Accepted, Difference
from orchestrator.ports import Damaged


@click.command("diff")
@click.argument("old", metavar="A", type=NUMBER, shell_complete=complete_generations)
@click.argument("new", metavar="[B]", type=NUMBER, required=False, shell_complete=complete_generations)
@click.option("--json", "as_json", is_flag=True, help="One object, for programs.")
@state_option
def command(old: int, new: int | None, as_json: bool, state: str) -> int:
    """Show how generation B (the live one) differs from generation A. Needs no agent.

    Of files of variables nothing is shown that they say: it is in no generation.
    """
    shelf = open_shelf(layout_of(state, ""))
    difference = compare(shelf, shelf.check(old), shelf.check(shelf.live if new is None else new))
    if as_json:
        write_output(json.dumps(difference_to_json(difference), indent=2, ensure_ascii=False) + "\n")
    else:
        write_output("".join(f"{_one_line(line)}\n" for line in describe_difference(difference)))
    return 0


def compare(shelf: Shelf, old: int, new: int) -> Difference:
    """How two generations differ. Raises Damaged, DiskFailed."""
    from orchestrator.system.plugins import load_plugins  # it takes a quarter of a second to load

    parser = load_plugins(os.environ.get("ORCHESTRATOR_CONFIG") or default_config()).parser

    def describe(accepted: Accepted) -> Mapping[str, Any] | str:
        try:
            text = shelf.store.read_text(accepted.digest)
        except Damaged as error:
            return f"its fields are not known: {error}"
        definition = parser.parse(make_source(accepted, text, accepted.since))
        if not isinstance(definition, Definition):
            return f"its fields are not known: to this version its text has problems: {definition[0].message}"
        return describe_fields(definition, parser.registry)

    return diff_generations(shelf.store.read(old), shelf.store.read(new), describe)


def _one_line(line: str) -> str:
    """As `one_line`, with the space in front of a field."""
    indent = line[: len(line) - len(line.lstrip(" "))]
    return indent + one_line(line)
