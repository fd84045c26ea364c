"""Where a supervision waits: for the next message, the one deadline, or the moment to tell people. Floor: tasks."""

import contextlib
import math
from collections.abc import Callable

import trio

from orchestrator.core.lifecycle import Event, Happening
from orchestrator.tasks.messages import Message, TryAgain
from orchestrator.tasks.publish import NamePublisher

TRY_AGAIN_AFTER = 5.0
"""Seconds until what was refused is tried again: a full disk may have room by then for a replacement, and memory that
is in use be free for another limit."""


class Mailbox:
    """The messages of one supervision, in their order. ``send`` never blocks."""

    def __init__(self) -> None:
        self.send, self._receive = trio.open_memory_channel[Message](math.inf)
        self._clock_runs = False

    @property
    def has_more(self) -> bool:
        """Whether a message has come that was not taken yet."""
        return bool(self._receive.statistics().current_buffer_used)

    async def next_message(
        self, deadline: float | None, publisher: NamePublisher, publish: Callable[[], None]
    ) -> Message:
        """The next message, or DEADLINE at ``deadline``. What people see is written when nothing is to be done at once:
        beside the runtime at its work, not before it."""
        with contextlib.suppress(trio.WouldBlock):
            return self._receive.receive_nowait()
        if publisher.due:
            # Lets an effect begin that was just asked for. Twice, since trio runs what is ready in no certain order.
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            with contextlib.suppress(trio.WouldBlock):
                return self._receive.receive_nowait()
            publish()
        until = math.inf if deadline is None else deadline
        while True:
            with trio.move_on_at(min(until, publisher.again_at)):
                return await self._receive.receive()
            if until <= trio.current_time():
                return Happening(event=Event.DEADLINE)
            publish()

    def begin_clock(self, nursery: trio.Nursery) -> None:
        """Begin the one clock of what is to be tried again, unless it runs: TryAgain comes after a while."""
        if not self._clock_runs:
            self._clock_runs = True
            nursery.start_soon(self._try_again_later)

    async def _try_again_later(self) -> None:
        await trio.sleep(TRY_AGAIN_AFTER)
        self._clock_runs = False
        self.send.send_nowait(TryAgain())
