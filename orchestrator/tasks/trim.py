"""Keeping one log within its bound, without a timer that ticks while nothing is written. One loop per log.

When and how much is decided by `orchestrator.core.trim`; the log is a `LogWatch`. Floor: tasks.
"""

from collections.abc import Callable
from contextlib import suppress

import trio

from orchestrator.core.trim import DEFAULT_BOUND, MAX_LOOK, MIN_LOOK, bytes_to_keep, next_look
from orchestrator.ports import LogBusy, LogWatch, OutsideError


async def trim_log(log: LogWatch, warn: Callable[[str], None], bound: int = DEFAULT_BOUND) -> None:
    """Drop the head of ``log`` whenever it holds more than ``bound`` bytes, until cancelled. Each look is marked, so at
    most a few seconds of writing lie between two marks, and what follows a pause begins with one.

    ``warn`` is told, once for each message, what the outside refuses; the application is not disturbed by it."""
    told: set[str] = set()
    try:
        while True:
            try:
                # Armed before the size is looked at: a write after the look is remembered, one before it is seen.
                log.arm()
                await _trim_once(log, bound)
                _mark(log)
            except OutsideError as error:
                _tell(warn, told, error)
            await log.wait_modified()
            try:
                await _let_it_write(log, bound)
            except OutsideError as error:
                _tell(warn, told, error)
                await trio.sleep(MIN_LOOK)
    finally:
        _mark_end(log, warn, told)


def _mark_end(log: LogWatch, warn: Callable[[str], None], told: set[str]) -> None:
    try:
        _mark(log)
    except OutsideError as error:
        _tell(warn, told, error)


def _mark(log: LogWatch) -> None:
    # Where somebody else looks at the log just now, the mark of the next look does: it only tells less exactly when
    # something was written. Waited for it is not, as they may take as long as they like.
    with suppress(LogBusy):
        log.mark()


async def _let_it_write(log: LogWatch, bound: int) -> None:
    """Sleep until the log may have reached its bound, by the rate that it grows at."""
    since, before = trio.current_time(), log.size()
    await trio.sleep(MIN_LOOK)
    size = log.size()
    rate = (size - before) / (trio.current_time() - since)
    await trio.sleep(next_look(size, bound, rate))


def _tell(warn: Callable[[str], None], told: set[str], error: OutsideError) -> None:
    if str(error) not in told:
        told.add(str(error))
        warn(str(error))


async def _trim_once(log: LogWatch, bound: int) -> None:
    pause = MIN_LOOK
    while log.size() > bound:
        try:
            await log.drop_head(bytes_to_keep(bound))
        except LogBusy:
            # A reader stands in the way, for microseconds unless somebody has stopped it.
            await trio.sleep(pause)
            pause = min(pause * 2, MAX_LOOK)
        else:
            return
