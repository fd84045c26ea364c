"""Clears out what no name needs any more, once for all who ask at a time. Floor: tasks."""

from collections.abc import Callable

import trio

from orchestrator.ports import OutsideError


class Sweeper:
    """`ask` as often as there may be something; a hundred containers that end together are one sweep."""

    def __init__(self, sweep: Callable[[], None], say: Callable[[str], None]) -> None:
        """sweep: removes what is not needed; raises OutsideError, which is said."""
        self._sweep = sweep
        self._say = say
        self._asked = trio.Event()

    def ask(self) -> None:
        """There may be something that nobody needs."""
        self._asked.set()

    async def run(self) -> None:
        """Sweep whenever it was asked for, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked = trio.Event()
            self.sweep_now()

    def sweep_now(self) -> None:
        """Sweep before this returns."""
        try:
            self._sweep()
        except OutsideError as error:
            self._say(str(error))
