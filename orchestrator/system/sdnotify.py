"""sd_notify(3): what the agent tells systemd. What it says and when is left to the tasks. Floor: system."""

import os

import sdnotify


class SystemdNotifier:
    """`orchestrator.ports.Notifier` on $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID as they are when it is made.

    Nothing is sent where the first is not set; nothing ever raises. The environment is left as it is: what the agent
    hands to others is cleared where they are started.
    """

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier() if os.environ.get("NOTIFY_SOCKET") else None
        if self._notifier is not None and self._notifier.socket is not None:
            # A manager that does not read must not stop the agent; sdnotify drops what cannot be sent.
            self._notifier.socket.setblocking(False)
        self._watchdog_interval = _watchdog_interval()

    @property
    def watchdog_interval(self) -> float | None:
        """Seconds between two WATCHDOG=1: half of $WATCHDOG_USEC, as sd_watchdog_enabled(3) advises. None where it is
        not set, is no positive number, or is meant for another process."""
        return self._watchdog_interval

    def ready(self) -> None:
        """READY=1."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """STATUS=, of a longer text the lines joined."""
        self._send(f"STATUS={' '.join(text.split())}")

    def stopping(self) -> None:
        """STOPPING=1."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """WATCHDOG=1."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Give up the socket; nothing is sent any more. May be called twice."""
        if self._notifier is not None and self._notifier.socket is not None:
            self._notifier.socket.close()
        self._notifier = None

    def _send(self, message: str) -> None:
        if self._notifier is not None:
            # sdnotify encodes as Latin-1 and drops what has no place there; the protocol is UTF-8.
            self._notifier.notify(message.encode("utf-8", "replace").decode("latin-1"))


def _watchdog_interval() -> float | None:
    try:
        micros = int(os.environ["WATCHDOG_USEC"])
        pid = int(os.environ.get("WATCHDOG_PID") or os.getpid())
    except (KeyError, ValueError):
        return None
    return micros / 2e6 if micros > 0 and pid == os.getpid() else None
