"""What systemd is told. Floor: ports."""

from typing import Protocol


class Notifier(Protocol):
    """sd_notify(3): what systemd is told. Nothing where nobody listens; never raises."""

    def ready(self) -> None:
        """READY=1."""
        ...

    def reloading(self) -> None:
        """RELOADING=1; to be followed by READY=1."""
        ...

    def status(self, text: str) -> None:
        """STATUS=, one line for people."""
        ...

    def stopping(self) -> None:
        """STOPPING=1."""
        ...

    def extend(self, seconds: float) -> None:
        """EXTEND_TIMEOUT_USEC=: what is under way, the start or the stop, may take so long from now."""
        ...

    def watchdog(self) -> None:
        """WATCHDOG=1."""
        ...

    @property
    def watchdog_interval(self) -> float | None:
        """Seconds between two WATCHDOG=1 (half of $WATCHDOG_USEC), or None where none is asked for."""
        ...
