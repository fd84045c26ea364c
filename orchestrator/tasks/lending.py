"""Waits for what may take long and holds a place that others wait for. Floor: tasks."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from orchestrator.ports import OutsideError

LENT_AFTER = 2.0
"""Seconds for which what a kind does counts as work, like a start. What takes longer waits for something."""

T = TypeVar("T")


async def lend_place(places: trio.CapacityLimiter, work: Callable[[], Awaitable[T]]) -> T:
    """What ``work`` returns, who does it having one of ``places``. While it takes long there is one more: a kind that
    hangs, for as many containers as there are places, would keep all others from starting. Raises what it raises."""
    done = trio.Event()
    results: list[T] = []
    failed: list[OutsideError] = []

    async def do() -> None:
        try:
            results.append(await work())
        except OutsideError as error:
            failed.append(error)
        finally:
            done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(do)
        with trio.move_on_after(LENT_AFTER):
            await done.wait()
        if not done.is_set():
            places.total_tokens += 1
            try:
                await done.wait()
            finally:
                places.total_tokens -= 1
    if failed:
        raise failed[0]
    return results[0]
