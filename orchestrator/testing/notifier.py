"""A notifier that remembers what systemd would have been told. Floor: testing."""


class FakeNotifier:
    """Implements `orchestrator.ports.Notifier`. ``told`` is each word as sd_notify(3) has it, and a status as it is."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.watchdog_interval: float | None = None
        """Seconds between two WATCHDOG=1, to be set by a test."""

    def ready(self) -> None:
        """Remember it."""
        self.told.append("READY=1")

    def reloading(self) -> None:
        """Remember it."""
        self.told.append("RELOADING=1")

    def status(self, text: str) -> None:
        """Remember it."""
        self.told.append(text)

    def stopping(self) -> None:
        """Remember it."""
        self.told.append("STOPPING=1")

    def extend(self, seconds: float) -> None:
        """Remember it."""
        self.told.append(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def watchdog(self) -> None:
        """Remember it."""
        self.told.append("WATCHDOG=1")
