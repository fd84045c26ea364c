"""`orchestrator show`: a part of what a container is, as JSON: its definition, what that was resolved to, its config.

Asks the agent; where there is none, from the files. What files of variables say is never shown. Floor: cli.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import click

from orchestrator.cli.asking import ask_agent, find_agent
from orchestrator.cli.errors import warn, write_output
from orchestrator.cli.names import complete_definitions
from orchestrator.cli.settings import default_config, layout_of, run_option, state_option, take_path_if_any
from orchestrator.core.suggest import suggest_similar
from orchestrator.model.layout import Layout
from orchestrator.model.origins import Explained
from orchestrator.model.state import NameState
from orchestrator.ports import OutsideError, Part, Refused, UnknownName
from orchestrator.system.configs import read_config
from orchestrator.system.states import read_agent, read_name, read_names

WIDEST = 60
"""Columns that a part is given at the most; a longer one moves what follows."""


class NotShown(OutsideError):
    """There is no such container, or no such part of it."""


@click.command("show")
@click.argument("name", shell_complete=complete_definitions)
@click.option("--definition", "part", flag_value=Part.DEFINITION.value, default=True, help="Its definition (default).")
@click.option("--spec", "part", flag_value=Part.SPEC.value, help="What its definition is resolved to.")
@click.option("--config", "part", flag_value=Part.CONFIG.value, help="The config.json of its instance.")
@click.option("--explain", "part", flag_value=Part.ORIGINS.value, help="Who contributed each part of its config.")
@click.option("--json", "as_json", is_flag=True, help="With --explain: for programs. The others are JSON in any case.")
@click.option(
    "--config-dir",
    metavar="DIR",
    callback=take_path_if_any,
    envvar="ORCHESTRATOR_CONFIG",
    show_envvar=True,
    help="The directory of definitions, where no agent runs; default: that of the last one.",
)
@state_option
@run_option
def command(name: str, part: str, as_json: bool, config_dir: str | None, state: str, run: str) -> int:
    """Show a part of what the container NAME is, as JSON; or who made it so: which plugin, file of the host, default or
    key of the definition.

    A definition has its defaults in. Variables that come from env_files are shown without what the files say.
    """
    data = show(layout_of(state, run), name, Part(part), config_dir)
    if part == Part.ORIGINS.value and not as_json:
        write_output("".join(f"{line}\n" for line in align_origins(data["parts"])))
    else:
        write_output(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    return 0


def align_origins(parts: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """A line for each part of a config."""
    width = min(WIDEST, max((len(each["part"]) for each in parts), default=0))
    for each in parts:
        yield f"{each['part']:{width}}  ← {Explained(**each)}"


def show(layout: Layout, name: str, part: Part, directory: str | None) -> dict[str, Any]:
    """directory: of the definitions, where no agent runs. Raises OutsideError."""
    if "/" in name or name in ("", ".", ".."):
        raise NotShown(f'there is no container "{name}": a name has no slash')
    if find_agent(layout) is not None:
        return ask_agent(layout, lambda client: client.show(name, part))
    warn(f"no agent is running (run directory {layout.run}): from the files")
    if part is Part.CONFIG:
        return _show_config(layout, name)
    written = read_agent(layout)
    return _show_compiled(name, part, directory or getattr(written, "config", None) or default_config())


def _show_config(layout: Layout, name: str) -> dict[str, Any]:
    from orchestrator.core.show import hide_variables

    state = read_name(layout, name)
    if state is None:
        raise _unknown(name, [each.name for each in read_names(layout).states], layout.run)
    if not isinstance(state, NameState):
        raise NotShown(str(state))
    config = read_config(layout.instance(state.instance)) if state.instance is not None else None
    if config is None:
        raise NotShown(f"there is no config of {name}: it does not run")
    stored = read_config(layout.bundle(state.bundle or ""))
    return hide_variables(config, stored or {})


def _show_compiled(name: str, part: Part, directory: str) -> dict[str, Any]:
    from orchestrator.cli.compiling import explain_definition, read_definition, resolve_definition
    from orchestrator.core.show import show_definition, show_spec

    try:
        read = read_definition(directory, name)
        if part is Part.DEFINITION:
            return show_definition(read.definition, read.parser.registry)
        if part is Part.ORIGINS:
            return explain_definition(read)
        return show_spec(resolve_definition(read))
    except UnknownName as error:
        raise _unknown(name, error.known, directory) from None
    except Refused as error:
        for problem in error.problems:
            warn(str(problem))
        raise


def _unknown(name: str, known: Collection[str], where: str) -> NotShown:
    hint = suggest_similar(name, known)
    return NotShown(f'there is no container "{name}" in {where}{f" ({hint})" if hint else ""}')
