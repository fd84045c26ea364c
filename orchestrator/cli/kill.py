"""`orchestrator kill`: a signal to the first process of a container. Floor: cli."""

import click

from orchestrator.cli.asking import ask_agent
from orchestrator.cli.names import complete_names, complete_signals
from orchestrator.cli.settings import default_state, layout_of, run_option
from orchestrator.core.values import parse_signal
from orchestrator.model.problem import Fault
from orchestrator.model.types import SignalName


def take_signal(ctx: click.Context, param: click.Parameter, value: str) -> SignalName:
    """A click callback: a signal as definitions have it."""
    signal = parse_signal(value)
    if isinstance(signal, Fault):
        raise click.BadParameter(f"{signal.message} ({signal.hint})" if signal.hint else signal.message, ctx, param)
    return signal


@click.command("kill")
@click.argument("name", shell_complete=complete_names)
@click.argument("signal", callback=take_signal, shell_complete=complete_signals)
@run_option
def command(name: str, signal: SignalName, run: str) -> int:
    """Send SIGNAL (a name, as kill -l has it) to the first process of the container NAME.

    If it ends of that, it is started again as its definition says; `stop` is for what is to stay stopped.
    """
    ask_agent(layout_of(default_state(), run), lambda client: client.send_signal(name, signal))
    return 0
