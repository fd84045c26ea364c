"""Waits for a directory to settle: to say so, and with ``--once`` to end then. Floor: tasks."""

from collections.abc import Callable

import trio

from orchestrator.tasks.ending import Ending
from orchestrator.tasks.report import Reporter

LOOKS_STABLE_AFTER = 1.0
"""Seconds that ``--once`` watches what has settled, so that what ends right after its start is seen to."""


async def announce(reporter: Reporter, is_stuck: Callable[[], bool]) -> None:
    """Tell systemd when the first plan has settled, and until then that it takes longer.

    is_stuck: whether the agent's own work does not go on.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reporter.extend_start, is_stuck)
        await reporter.wait_settled()
        nursery.cancel_scope.cancel()
    reporter.settled()


async def settle_once(reporter: Reporter, ending: Ending, when_settled: Callable[[], object]) -> int:
    """Wait until all has settled, or the end is asked for. Returns the exit code."""
    code = 1
    async with trio.open_nursery() as nursery:

        async def give_up() -> None:
            await ending.asked.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(give_up)
        await reporter.wait_finished()
        await trio.sleep(LOOKS_STABLE_AFTER)
        await reporter.wait_finished()
        code = 0 if reporter.healthy else 1
        when_settled()
        nursery.cancel_scope.cancel()
    return code
