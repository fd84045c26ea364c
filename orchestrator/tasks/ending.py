"""How the agent is asked to end, or to look again: by signals, and by an operator. Floor: tasks."""

import signal
from collections.abc import AsyncIterator, Callable

import trio

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Those that mean something, and those that would end the agent and leave its containers alone for no reason."""


class Ending:
    """SIGTERM and SIGINT: the first asks for the end, another one for a quicker one. SIGHUP asks for another look."""

    def __init__(self, signals: AsyncIterator[int], say: Callable[[str], None], *, leave: bool) -> None:
        """leave: whether the containers go on when a signal ends the agent."""
        self._signals = signals
        self._say = say
        self.asked = trio.Event()
        self.stops_containers = not leave
        """Whether the containers end before the agent does. Settled once the end is asked for."""

    def ask(self, who: str, *, stop: bool = False) -> None:
        """Ask for the end. who: what is told to people. stop: the containers are to end too, whatever a signal does."""
        if not self.asked.is_set():
            self.stops_containers = self.stops_containers or stop
            doing = "stopping all containers" if self.stops_containers else "ending; the containers go on"
            self._say(f"{who}: {doing}")
            self.asked.set()

    def stop_containers(self, why: str) -> None:
        """The containers are to end too, whatever was decided before."""
        self._say(f"{why}: stopping all containers")
        self.stops_containers = True

    async def listen(self, look_again: Callable[[], None], hurry: Callable[[], None]) -> None:
        """Do what signals ask for, until cancelled."""
        async for number in self._signals:
            name = signal.Signals(number).name
            if number == signal.SIGHUP:
                self._say(f"{name}: looking at everything again")
                look_again()
            elif number in (signal.SIGUSR1, signal.SIGUSR2):
                self._say(f"{name}: it means nothing here")
            elif not self.asked.is_set():
                self.ask(name)
            elif self.stops_containers:
                self._say(f"{name} again: killing what has not ended")
                hurry()
