"""`orchestrator rollback`: an earlier generation followed instead of the directory, and the way back to that.

Asks the agent; where there is none, what the next one is to follow is written down. Floor: cli.
"""

import click

from orchestrator.cli.asking import ask_agent, find_agent
from orchestrator.cli.errors import INTERRUPTED, warn, write_output
from orchestrator.cli.generations import NUMBER, NoGeneration, open_shelf
from orchestrator.cli.names import complete_generations
from orchestrator.cli.settings import layout_of, run_option, state_option
from orchestrator.core.history import list_some
from orchestrator.core.status import describe_pin
from orchestrator.model.generation import Pin, RolledBack
from orchestrator.model.layout import Layout

RESUMED = "the directory is followed again"


@click.command("rollback")
@click.argument("number", metavar="[N]", type=NUMBER, required=False, shell_complete=complete_generations)
@click.option("--resume", is_flag=True, help="Follow the directory again.")
@state_option
@run_option
def command(number: int | None, resume: bool, state: str, run: str) -> int:
    """Follow generation N (the one before the live one), and not the directory any more.

    It is pinned, over the agent's end and a boot too: edits are checked, their problems are told, and they change
    nothing, until `rollback --resume`. What an operator has stopped stays so.
    """
    if resume and number is not None:
        raise click.UsageError("give a generation or --resume, not both")
    layout, code = layout_of(state, run), 0
    if find_agent(layout) is None:
        _write_down(layout, number, resume=resume)
        return code
    try:
        _ask(layout, number, resume=resume)
    except* KeyboardInterrupt:
        warn("interrupted: the agent goes on with what it has begun")
        code = INTERRUPTED
    return code


def _ask(layout: Layout, number: int | None, *, resume: bool) -> None:
    """Raises OutsideError, perhaps in a group."""
    if resume:
        ask_agent(layout, lambda client: client.resume())
        write_output(f"{RESUMED}\n")
    else:
        _tell(ask_agent(layout, lambda client: client.roll_back(number)))


def _tell(done: RolledBack) -> None:
    for problem in done.problems:
        warn(str(problem))
    if done.differing:
        warn(f"of another bundle than they were then, since the host is another: {list_some(done.differing)}")
    write_output(f"{describe_pin(done.generation)}\n")


def _write_down(layout: Layout, number: int | None, *, resume: bool) -> None:
    """Without an agent. The lock of the state directory is held, so that none begins meanwhile and does not know.

    Raises NoGeneration, LockTaken, Damaged, DiskFailed."""
    import time

    from orchestrator.core.generations import choose_generation
    from orchestrator.system.lock import hold_lock

    shelf = open_shelf(layout)
    with hold_lock(layout.state_lock):
        if resume:
            if shelf.pinned is None:
                raise NoGeneration("no generation is pinned: the directory is followed")
            shelf.store.write_pin_now(None)
            told = RESUMED
        else:
            chosen = choose_generation(number, shelf.numbers, shelf.pinned)
            if isinstance(chosen, str):
                raise NoGeneration(chosen)
            shelf.read_sources(chosen)  # what cannot be read is not pinned
            shelf.store.write_pin_now(Pin(number=chosen, at=time.time()))
            told = describe_pin(chosen)
    warn(f"no agent is running (run directory {layout.run}): written down for the next one")
    write_output(f"{told}\n")
