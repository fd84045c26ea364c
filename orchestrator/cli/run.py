"""`orchestrator run`: the agent. Floor: cli."""

import os
import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli.settings import config_option, run_option, runtime_option, state_option
from orchestrator.ports import OutsideError

if TYPE_CHECKING:
    from orchestrator.model.settings import Settings


class NotStarted(OutsideError):
    """The agent cannot be made the process that it is to be."""


@click.command("run")
@config_option
@state_option
@run_option
@runtime_option
@click.option(
    "--once",
    is_flag=True,
    envvar="ORCHESTRATOR_ONCE",
    help="Apply the directory once, wait until all has settled, show the status, stop all; exit 1 if all is not well.",
)
@click.option(
    "--exit-policy",
    type=click.Choice(["leave", "stop"]),
    default="leave",
    show_default=True,
    envvar="ORCHESTRATOR_EXIT_POLICY",
    help="What becomes of the containers when a signal ends the agent: they go on, and the next agent with them, or "
    "they are stopped. With --once they are stopped.",
)
def command(config: str, state: str, run: str, runtime: str, once: bool, exit_policy: str) -> int:
    """Run the containers of a directory of definitions and follow its edits, until SIGTERM or SIGINT."""
    if len({config, state, run}) < 3:
        raise click.UsageError("--config, --state and --run must be three different directories")
    from orchestrator.core.settings import encode_settings
    from orchestrator.model.settings import Settings

    leave = exit_policy == "leave"
    settings = Settings(config=config, state=state, run=run, runtime=runtime, once=once, leave=leave)
    if not once:
        # The agent runs for months: a process of its own holds nothing of the command line in memory. -P, since the
        # working directory is no place to import from, least of all for root.
        try:
            os.execv(sys.executable, [sys.executable, "-P", "-m", "orchestrator.agent", encode_settings(settings)])
        except OSError as error:
            raise NotStarted(f"cannot start the agent with {sys.executable}: {error.strerror}") from error
    return _run_once(settings)


def _run_once(settings: "Settings") -> int:
    import trio

    from orchestrator.agent import run_agent
    from orchestrator.cli.status import show_status
    from orchestrator.model.layout import Layout

    layout = Layout(settings.state, settings.run)
    return trio.run(lambda: run_agent(settings, when_settled=lambda: show_status(layout)))
