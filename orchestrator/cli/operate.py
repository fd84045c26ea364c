"""What start, stop and restart have in common: names or all, waiting or not, a line for each name. Floor: cli."""

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.asking import open_client
from orchestrator.cli.errors import FAILED, INTERRUPTED, one_line, warn, write_output
from orchestrator.cli.names import complete_definitions
from orchestrator.cli.progress import show_progress
from orchestrator.cli.settings import default_state, layout_of, run_option
from orchestrator.model.problem import Problem
from orchestrator.ports import Operation

if TYPE_CHECKING:
    from orchestrator.api.client import ApiProblem
    from orchestrator.api.outcome import Outcome

PRESENT = {Operation.START: "starting", Operation.STOP: "stopping", Operation.RESTART: "restarting"}


def make_operation_command(operation: Operation, text: str) -> click.Command:
    """The command of an operation; text: its help."""

    @click.command(operation.value, help=text)
    @click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_definitions)
    @click.option("--all", "everything", is_flag=True, help="All containers.")
    @click.option("--no-wait", is_flag=True, help="Do not wait until it is done.")
    @click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")
    @run_option
    def command(names: tuple[str, ...], everything: bool, no_wait: bool, as_json: bool, run: str) -> int:
        if bool(names) == everything:
            raise click.UsageError("give names or --all" if not names else "give names or --all, not both")
        path = layout_of(default_state(), run).control
        return operate(path, operation, None if everything else names, wait=not no_wait, as_json=as_json)

    return command


def operate(path: str, operation: Operation, names: Collection[str] | None, *, wait: bool, as_json: bool) -> int:
    """Ask the agent whose socket is at ``path``, print what becomes of each name, and return the exit code: 1 if one of
    them is not as asked. Raises OutsideError."""
    import trio

    from orchestrator.api.client import ApiProblem

    outcomes: list[Outcome] = []
    try:
        trio.run(lambda: _ask(path, operation, names, outcomes, wait=wait, as_json=as_json))
    except ApiProblem as problem:
        explain_problem(problem)
        return FAILED
    except KeyboardInterrupt:
        warn("interrupted: the agent goes on with what it has begun")
        return INTERRUPTED
    finally:
        if as_json and outcomes:
            write_output(json.dumps([outcome_to_json(outcome) for outcome in outcomes], indent=2) + "\n")
    if not outcomes:
        warn("there is no container")
    return 0 if all(outcome.ok for outcome in outcomes) else FAILED


def explain_problem(problem: "ApiProblem") -> None:
    """What the agent refuses, on stderr: a line for each name that is not there, for each problem of a definition."""
    from orchestrator.core.suggest import suggest_similar

    names, problems = problem.members.get("names"), problem.members.get("problems")
    if not names:
        warn(problem.detail)
    for name in names or ():
        hint = suggest_similar(name, problem.members.get("known", ()))
        warn(f'there is no container "{name}"{f" ({hint})" if hint else ""}')
    for each in problems or ():
        warn(str(Problem(**each)))


def outcome_to_json(outcome: "Outcome") -> dict[str, Any]:
    """``{name, ok, state, message}``; state as ``status --json`` has it, or null if it is gone."""
    return {"name": outcome.name, "ok": outcome.ok, "state": outcome.state, "message": outcome.message}


async def _ask(
    path: str,
    operation: Operation,
    names: Collection[str] | None,
    outcomes: "list[Outcome]",
    *,
    wait: bool,
    as_json: bool,
) -> None:
    from contextlib import aclosing

    async with open_client(path) as client:
        total = len(set(names) if names is not None else await client.containers())
        with show_progress(PRESENT[operation], total if wait else 0) as tell:
            async with aclosing(client.operate(operation, names, wait=wait)) as results:
                async for outcome in results:
                    outcomes.append(outcome)
                    if tell is not None:
                        tell(min(len(outcomes), total))  # what is required may be started beside what was named
                    if not as_json:
                        _print(outcome, "" if wait else f"asked to {operation.value}, now ")


def _print(outcome: "Outcome", before: str) -> None:
    text = f"{outcome.name}: {before}{outcome.word}"
    write_output(one_line(f"{text}: {outcome.message}" if outcome.message else text) + "\n")
    if not outcome.ok and outcome.state is not None:
        for problem in outcome.state["problems"]:
            warn(str(Problem(**problem)))
