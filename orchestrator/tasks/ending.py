"""How the agent is asked to end, or to look again: by signals, and by an operator. Floor: tasks."""

import signal
from collections.abc import AsyncIterator, Callable

import trio

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Those that mean something, and those that would end the agent and leave its containers alone for no reason."""


class Ending:
    """SIGTERM and SIGINT: the first asks for the end, another one for a quicker one. SIGHUP asks for another look."""

    def __init__(self, signals: AsyncIterator[int], say: Callable[[str], None]) -> None:
        self._signals = signals
        self._say = say
        self.asked = trio.Event()

    def ask(self, who: str) -> None:
        """Ask for the end. who: what is told to people."""
        if not self.asked.is_set():
            self._say(f"{who}: stopping all containers")
            self.asked.set()

    async def listen(self, look_again: Callable[[], None], hurry: Callable[[], None]) -> None:
        """Do what signals ask for, until cancelled."""
        async for number in self._signals:
            name = signal.Signals(number).name
            if number == signal.SIGHUP:
                self._say(f"{name}: looking at everything again")
                look_again()
            elif number in (signal.SIGUSR1, signal.SIGUSR2):
                self._say(f"{name}: it means nothing here")
            elif self.asked.is_set():
                self._say(f"{name} again: killing what has not ended")
                hurry()
            else:
                self.ask(name)
