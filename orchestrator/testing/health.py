"""A prober and notify sockets in memory: they answer, and say, what a test tells them to. Floor: testing."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from orchestrator.model.health import Health, Notification
from orchestrator.model.state import InstanceState, Step
from orchestrator.ports import DiskFailed, NotAsked


class FakeProber:
    """Implements `orchestrator.ports.Prober`. Every application is well until it is told otherwise.

    ``asked`` has every probe that began: when by trio's clock, the container's name and how it was asked.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[float, str, Health]] = []
        self.under_way = 0
        """Probes that have begun and not answered."""
        self.takes = 0.0
        """Seconds that an answer takes."""
        self.unbroken = False
        """Whether an answer comes in spite of a cancel, as where a runtime is at work that is never broken off."""
        self._why: dict[str, str | None] = {}
        self._trouble: dict[str, str] = {}

    def fail(self, name: str, why: str) -> None:
        """From now on the application ``name`` is not well; an empty text: it is."""
        self._why[name] = why

    def end(self, name: str) -> None:
        """From now on it has ended."""
        self._why[name] = None

    def hinder(self, name: str, trouble: str) -> None:
        """From now on it cannot be asked; an empty text: it can."""
        self._trouble[name] = trouble

    async def probe(self, health: Health, instance: InstanceState) -> str | None:
        """See `orchestrator.ports.Prober`."""
        self.asked.append((trio.current_time(), instance.name, health))
        self.under_way += 1
        try:
            with trio.CancelScope(deadline=trio.current_time() + health.timeout, shield=self.unbroken):
                await trio.sleep(self.takes)
                if trouble := self._trouble.get(instance.name, ""):
                    raise NotAsked(trouble)
                return self._why.get(instance.name, "")
            return f"no answer within {health.timeout:g} s"
        finally:
            self.under_way -= 1


class FakeNotifySocket:
    """Implements `orchestrator.ports.NotifySocket`."""

    def __init__(self, messages: "trio.MemoryReceiveChannel[Notification]") -> None:
        self._messages = messages

    async def receive(self) -> Notification:
        """See `orchestrator.ports.NotifySocket`."""
        return await self._messages.receive()


class FakeNotifySockets:
    """Implements `orchestrator.ports.NotifySockets`. ``opened`` are the instances at whose places somebody listens."""

    def __init__(self) -> None:
        self.opened: set[str] = set()
        self._failures: defaultdict[str, int] = defaultdict(int)
        self._channels: dict[str, trio.MemorySendChannel[Notification]] = {}
        self._first_words: dict[str, Notification] = {}

    def fail(self, name: str, times: int = 1) -> None:
        """Let the next ``times`` calls of `open` for instances of the container ``name`` fail."""
        self._failures[name] = times

    def begin_with(self, name: str, said: Notification) -> None:
        """From now on every instance of the container ``name`` says this as it begins."""
        self._first_words[name] = said

    def say(self, name: str, said: Notification) -> None:
        """The newest instance of the container ``name`` says something of itself."""
        self._channels[name].send_nowait(said)

    @contextmanager
    def open(self, instance: InstanceState) -> Iterator[FakeNotifySocket]:
        """See `orchestrator.ports.NotifySockets`."""
        if self._failures[instance.name]:
            self._failures[instance.name] -= 1
            raise DiskFailed(f"cannot listen at /run/notify/{instance.instance}/socket: no room")
        send, receive = trio.open_memory_channel[Notification](100)
        self._channels[instance.name] = send
        self.opened.add(instance.instance)
        if instance.step is Step.STARTING and instance.name in self._first_words:
            send.send_nowait(self._first_words[instance.name])
        try:
            with send, receive:
                yield FakeNotifySocket(receive)
        finally:
            self.opened.discard(instance.instance)
