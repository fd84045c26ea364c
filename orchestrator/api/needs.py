"""What the server needs of the outside besides `orchestrator.ports.Operator`, as Protocols. Floor: api.

`orchestrator.system.control` and `orchestrator.system.streams` have the real ones.
"""

from collections.abc import AsyncIterator
from typing import Protocol


class Listener(Protocol):
    """The control socket: bound, and listening."""

    @property
    def path(self) -> str:
        """Where clients find it."""
        ...

    def fileno(self) -> int:
        """The descriptor that clients are accepted from. It stays the listener's own."""
        ...

    async def wait_replaced(self, descriptor: int) -> None:
        """Return when another descriptor than this one is listened on: what the old one was bound to is gone.
        Cancellation-safe."""
        ...

    def hang_up(self) -> None:
        """Listen no more, and end every connection that was accepted, whether or not its client reads."""
        ...


class Pieces(Protocol):
    """What is read of a log, piece by piece. Raises OutsideError when it cannot be read any more."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None:
        """Give up what is held. May be called twice."""
        ...


class Streams(Protocol):
    """What may be followed as it grows.

    ``lines``: how many of the last lines to begin with, None for all. ``follow``: go on with what is written from now
    on, without an end; otherwise it ends where the log does. When they return it is settled what comes. Both raise
    OutsideError when it cannot be read.
    """

    async def events(self, lines: int | None, follow: bool, name: str | None) -> Pieces:
        """The event log: whole lines of JSON. With ``name`` those of one container only, and ``lines`` counts these."""
        ...

    async def logs(self, name: str, lines: int | None, follow: bool) -> Pieces:
        """What a container's application has written, byte by byte. There may be none yet."""
        ...
