"""`orchestrator plan`: what the agent would do about each container as the directory is now, and because of what.

Asks the agent; where there is none, or another directory is meant, compares with the state files. Floor: cli.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click
from attrs import frozen
from click.core import ParameterSource

from orchestrator.cli.asking import ask_agent, find_agent
from orchestrator.cli.errors import FAILED, one_line, warn, write_output
from orchestrator.cli.generations import Shelf, find_shelf
from orchestrator.cli.settings import config_option, layout_of, run_option, state_option, take_path_if_any
from orchestrator.core.planned import (
    Recorded,
    compare_recorded,
    count_planned,
    describe_planned,
    planned_to_json,
    select_recorded,
)
from orchestrator.core.status import describe_pin
from orchestrator.model.action import Broken, Planned, Target, Verb
from orchestrator.model.layout import Layout
from orchestrator.model.problem import Problem
from orchestrator.model.state import AgentState, NameState
from orchestrator.system.configs import read_config
from orchestrator.system.states import (
    find_living,
    read_agent,
    read_boot_id,
    read_held,
    read_instances,
    read_names,
)

if TYPE_CHECKING:
    from orchestrator.cli.compiling import CompiledDirectory

CHANGES = 2
"""The exit code where there is something to do."""

STYLES: Mapping[Verb, str] = {
    Verb.START: "green",
    Verb.RETUNE: "cyan",
    Verb.UPDATE: "cyan",
    Verb.REPLACE: "yellow",
    Verb.STOP: "red",
}
"""The colour of a verb on a terminal."""


@frozen
class _Plan:
    """What would be done, and the problems of files that name no container."""

    planned: tuple[Planned, ...]
    misnamed: tuple[Problem, ...]


@click.command("plan")
@click.argument("directory", metavar="[DIR]", required=False, callback=take_path_if_any)
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")
@config_option
@state_option
@run_option
@click.pass_context
def command(context: click.Context, directory: str | None, as_json: bool, config: str, state: str, run: str) -> int:
    """Show what the agent would do about each container, and which fields are the reason.

    DIR is compared instead of the watched directory. Exit code: 0 nothing to do, 2 something, 1 problems.
    """
    layout, is_other = layout_of(state, run), directory is not None
    if context.get_parameter_source("config") is not ParameterSource.DEFAULT:
        directory = directory or config
    plan = make_plan(layout, directory, config, is_other=is_other)
    if as_json:
        write_output(json.dumps([planned_to_json(each) for each in plan.planned], indent=2) + "\n")
        for problem in plan.misnamed:
            warn(str(problem))
    else:
        _print(plan)
    if plan.misnamed or any(each.problems for each in plan.planned):
        return FAILED
    return CHANGES if any(each.verb is not Verb.NOTHING for each in plan.planned) else 0


def make_plan(layout: Layout, directory: str | None, default: str, *, is_other: bool = False) -> _Plan:
    """directory: the one that is meant, absolute; None for that of the agent, and where none runs ``default``.
    is_other: it is only compared with, so what is kept of earlier states of the agent's is none of it.

    Raises OutsideError."""
    agent = find_agent(layout)
    if agent is not None and (directory is None or _is_same(directory, agent.config)):
        return _ask_agent(layout)
    if agent is None:
        warn(f"no agent is running (run directory {layout.run}): comparing with the state files")
    kept = find_shelf(layout) if agent is None and not is_other else None
    return _compare(layout, _compile(directory or default, kept), agent_alive=agent is not None)


def _is_same(directory: str, other: str) -> bool:
    try:
        return directory == other or os.path.samefile(directory, other)
    except OSError:
        return False


def _ask_agent(layout: Layout) -> _Plan:
    planned = ask_agent(layout, lambda client: client.plan())
    agent = read_agent(layout)  # after its answer: it has just looked at all files
    if isinstance(agent, AgentState) and agent.pinned is not None:
        warn(describe_pin(agent.pinned))
    return _Plan(planned, agent.problems if isinstance(agent, AgentState) else ())


def _compile(directory: str, kept: Shelf | None) -> "CompiledDirectory":
    """What the next agent would follow. kept: what it would know of earlier states, if that counts."""
    from orchestrator.cli.compiling import CompiledDirectory, compile_directory, compile_texts

    if kept is not None and kept.pinned is not None:
        warn(describe_pin(kept.pinned))
        return CompiledDirectory(compile_texts(kept.read_sources(kept.pinned), directory), ())
    if kept is None:
        return compile_directory(directory)
    return compile_directory(directory, lambda names: kept.read_sources(kept.live, names))


def _compare(layout: Layout, compiled: "CompiledDirectory", *, agent_alive: bool) -> _Plan:
    names = read_names(layout)
    for damaged in names.damaged:
        warn(str(damaged))
    living, boot = find_living(names.states), read_boot_id()
    states = select_recorded(names.states, living, agent_alive=agent_alive, boot=boot)
    recorded = _read_recorded(layout, states, compiled.desired)
    return _Plan(compare_recorded(compiled.desired, recorded, read_held(layout)), compiled.misnamed)


def _read_recorded(
    layout: Layout, states: Mapping[str, NameState], desired: Mapping[str, Target | Broken]
) -> dict[str, Recorded]:
    instances = {state.instance: state for state in read_instances(layout).states}
    recorded = {}
    for name, state in states.items():
        want = desired.get(name)
        instance = instances.get(state.instance or "")
        another = state.bundle is not None and isinstance(want, Target) and want.bundle.digest != state.bundle
        recorded[name] = Recorded(
            fields=state.fields,
            bundle=state.bundle,
            config=read_config(layout.bundle(state.bundle or "")) if another else None,
            resources=instance.resources if instance is not None else None,
            live=instance.live if instance is not None else None,
        )
    return recorded


def _print(plan: _Plan) -> None:
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    lines: list[str] = []
    for each in plan.planned:
        head, *fields = describe_planned(each) or ("",)
        if head:
            colour = STYLES.get(each.verb) if coloured else None
            lines.append(click.style(head, fg=colour) if colour else head)
            lines.extend(f"  {one_line(field)}" for field in fields)
    problems = sorted([*plan.misnamed, *(problem for each in plan.planned for problem in each.problems)])
    lines.extend(one_line(str(problem)) for problem in problems)
    write_output("".join(f"{line}\n" for line in [*lines, count_planned(plan.planned)]))
