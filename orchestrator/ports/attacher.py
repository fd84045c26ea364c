"""What plugin kinds do on the host for an instance. Floor: ports."""

from typing import Any, Protocol

from orchestrator.model.attached import Attached, PlannedAttachment
from orchestrator.ports.errors import OutsideError


class AttachFailed(OutsideError):
    """A kind could not do or undo its part, or took too long; the message ends with the kind's own."""


class Attacher(Protocol):
    """Has kinds do their part, and undo it. Neither method is torn in two by a cancel."""

    async def attach(self, plan: PlannedAttachment, name: str, instance: str, pid: int | None) -> dict[str, Any] | None:
        """Do it, once. pid: the first process of the instance, once there is one. Returns what the kind wants to know
        when it is undone. Raises AttachFailed: then it may be half done, which `detach` undoes."""
        ...

    async def detach(self, attached: Attached, name: str, instance: str) -> None:
        """Undo what was begun, when the container is gone. Idempotent. Raises AttachFailed."""
        ...
