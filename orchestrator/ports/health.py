"""Whether an application is well: by asking it, and by what it says itself. Floor: ports."""

from contextlib import AbstractContextManager
from typing import Protocol

from attrs import frozen

from orchestrator.model.health import Health
from orchestrator.model.state import InstanceState


class Prober(Protocol):
    """Asks an application whether it is well."""

    async def probe(self, health: Health, instance: InstanceState) -> str:
        """Ask once; why it is not well, in one line, or an empty text. Never takes longer than ``health.timeout`` (a
        little more where a process must be ended), never raises for what is wrong with the application or the host.
        After a cancel nothing is left of it."""
        ...


@frozen(kw_only=True)
class Notification:
    """One message of an application, as sd_notify(3) has it. None: it says nothing of that."""

    ready: bool = False
    stopping: bool = False
    reloading: bool = False
    status: str | None = None
    watchdog: bool = False
    """It is alive."""
    watchdog_trigger: bool = False
    """Its watchdog is to be taken as bitten (WATCHDOG=trigger)."""
    watchdog_usec: int | None = None
    """From now on it promises this, in microseconds."""
    extend_timeout_usec: int | None = None


class NotifySocket(Protocol):
    """Where one instance's application sends its messages."""

    async def receive(self) -> Notification:
        """The next message of a process of the instance; others' are dropped. What a BARRIER=1 brings is closed once
        what came before it was received. Cancellation-safe."""
        ...


class NotifySockets(Protocol):
    """The sockets of the instances that want one."""

    def open(self, instance: InstanceState) -> AbstractContextManager[NotifySocket]:
        """Listen at the instance's place, which stays the same when another agent listens there. Raises DiskFailed."""
        ...
