"""`orchestrator shutdown`: all containers stopped, in order, then the agent ended. Floor: cli."""

import click

from orchestrator.cli.asking import open_client
from orchestrator.cli.errors import INTERRUPTED, warn
from orchestrator.cli.progress import Tell, show_progress
from orchestrator.cli.settings import default_state, layout_of, run_option
from orchestrator.model.layout import Layout

LOOK_EVERY = 0.2
"""Seconds between two looks at how many still run, for someone who waits at a terminal."""


@click.command("shutdown")
@click.option("--no-wait", is_flag=True, help="Do not wait until the agent has ended.")
@run_option
def command(no_wait: bool, run: str) -> int:
    """Stop all containers, then the agent, and wait until it has ended.

    The containers start again with the next agent, but for those that were stopped by `stop`.
    """
    import trio

    code = 0
    try:
        trio.run(lambda: _shut_down(layout_of(default_state(), run), wait=not no_wait))
    except* KeyboardInterrupt:
        warn("interrupted: the agent goes on with what it has begun")
        code = INTERRUPTED
    return code


async def _shut_down(layout: Layout, *, wait: bool) -> None:
    """Raises OutsideError, perhaps in a group."""
    import trio

    from orchestrator.system.ended import wait_ended

    async with open_client(layout.control) as client:
        agent = await client.agent()
        running = sum(row["pid"] is not None for row in await client.containers())
        await client.shut_down()
    if not wait:
        return
    with show_progress("stopping", running) as tell:
        async with trio.open_nursery() as nursery:
            if tell is not None:
                nursery.start_soon(_watch, layout, running, tell)
            await wait_ended(agent["pid"], agent["pid_start_time"])
            nursery.cancel_scope.cancel()


async def _watch(layout: Layout, running: int, tell: Tell) -> None:
    """By the files: the socket goes with the agent."""
    import trio

    from orchestrator.system.states import find_living, read_names

    while True:
        tell(running - len(find_living(read_names(layout).states)))
        await trio.sleep(LOOK_EVERY)
