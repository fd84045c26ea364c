"""Whether an application is well: by asking it, and by what it says itself. Floor: ports."""

from contextlib import AbstractContextManager
from typing import Protocol

from orchestrator.model.health import Health, Notification
from orchestrator.model.state import InstanceState
from orchestrator.ports.errors import OutsideError


class NotAsked(OutsideError):
    """It could not be asked, by no fault of the application: no descriptors left, a runtime that does not answer."""


class Prober(Protocol):
    """Asks an application whether it is well."""

    async def probe(self, health: Health, instance: InstanceState) -> str | None:
        """Ask once: why it is not well, in one line, or an empty text; None where it has ended meanwhile.

        Never takes longer than ``health.timeout``, but for a place where many are asked at a time, and a little more
        where a process must be ended. After a cancel nothing is left of it. Raises NotAsked.
        """
        ...


class NotifySocket(Protocol):
    """Where one instance's application sends its messages."""

    async def receive(self) -> Notification:
        """The next message of a process of the instance; others' are dropped. The descriptor of a BARRIER=1 is closed
        not before what came before it was received and this was called again. Cancellation-safe."""
        ...


class NotifySockets(Protocol):
    """The sockets of the instances that want one."""

    def open(self, instance: InstanceState) -> AbstractContextManager[NotifySocket]:
        """Listen at the instance's place, which stays the same when another agent listens there. Raises DiskFailed."""
        ...
