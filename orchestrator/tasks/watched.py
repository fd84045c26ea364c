"""An instance that runs, watched to its end, and to whom what comes of it is told: which may change while it runs.

Floor: tasks.
"""

from collections.abc import Callable

import trio

from orchestrator.core.exits import describe_exit
from orchestrator.core.lifecycle import Event, Happening
from orchestrator.model.life import Exit
from orchestrator.tasks.instance import LiveInstance
from orchestrator.tasks.messages import Message


class Watched:
    """One instance. As long as it is its name's own, all is told to the supervision; before that it is known whether it
    is ready, and after that whether it has ended."""

    def __init__(self, live: LiveInstance, tell: Callable[[Message], None], *, owned: bool) -> None:
        """tell: the supervision. owned: whether it is its name's own."""
        self.live = live
        self._tell = tell
        self._owned = owned
        self.ready = False
        """It was ready before it was its name's own."""
        self.trouble = ""
        """Why it will not be."""
        self.decided = trio.Event()
        """Set when it is ready or will not be."""
        self.ended = trio.Event()

    def own(self) -> None:
        """It is its name's own from now on."""
        self._owned = True

    def disown(self) -> None:
        """It is not any more: another has taken its place."""
        self._owned = False

    def note_ready(self) -> None:
        """It is ready."""
        self.ready = True
        self.decided.set()

    async def run(self) -> None:
        """Watch it to its end."""
        ended = await self.live.wait_exit(self._hear)
        self._note_end(ended)

    def _hear(self, message: Message) -> None:
        if self._owned:
            self._tell(message)
        elif isinstance(message, Happening):
            if message.event is Event.READY:
                self.note_ready()
            elif message.event is Event.UNWELL:
                self._give_up(message.message)

    def _note_end(self, ended: Exit) -> None:
        self.ended.set()
        if self._owned:
            self._tell(Happening(event=Event.EXITED, exit=ended))
        else:
            self._give_up(describe_exit(ended))

    def _give_up(self, why: str) -> None:
        self.trouble = self.trouble or why
        self.decided.set()
