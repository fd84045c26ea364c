"""sd_notify(3): what the agent tells systemd. What it says and when is left to the tasks. Floor: system."""

import contextlib
import os
import socket
import time
from array import array
from collections import deque

import sdnotify
import trio
from attrs import frozen

RETRY_AFTER = 0.1
"""Seconds until a message is sent again that the kernel refused though the other end has room."""


@frozen
class _Waiting:
    """A message that could not be sent yet, with a descriptor of its own to go with it."""

    text: str
    descriptor: int | None = None

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


class ManagerSocket:
    """The socket that systemd listens on: $NOTIFY_SOCKET as it is when this is made. Messages arrive in their order.

    Nothing is sent where that is not set; nothing ever raises or blocks. What finds no room at the other end waits for
    `run`. What finds nobody there is dropped: should a manager listen there again, it is told what is new. The
    environment is left as it is: what the agent hands to others is cleared where they are started.
    """

    def __init__(self) -> None:
        self._wanted = bool(os.environ.get("NOTIFY_SOCKET"))
        self._notifier: sdnotify.SystemdNotifier | None = None
        self._waiting: deque[_Waiting] = deque()
        self._news = trio.Event()
        self._draining = False
        self._connect()

    @property
    def is_wanted(self) -> bool:
        """Whether there is a manager to be told."""
        return self._wanted

    def send(self, text: str, descriptor: int | None = None, *, fleeting: bool = False) -> None:
        """One message, and a descriptor with it (SCM_RIGHTS, unix(7)), which stays the caller's.

        fleeting: dropped where it would have to wait, since it would not be true any more.
        """
        if not self._wanted:
            return
        must_wait = self._draining or bool(self._waiting)
        if (must_wait or not self._try(text, descriptor)) and not fleeting:
            self._put_off(text, descriptor)

    def recall(self, beginning: str) -> bool:
        """Forget the messages that wait and begin so; whether there were any."""
        recalled = [each for each in self._waiting if each.text.startswith(beginning)]
        for waiting in recalled:
            self._waiting.remove(waiting)
            waiting.close()
        return bool(recalled)

    async def run(self) -> None:
        """Send what had to wait, until cancelled. Costs nothing while nothing does."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            try:
                self._draining = True  # nobody else touches the socket meanwhile
                await self._drain()
            finally:
                self._draining = False

    async def _drain(self) -> None:
        while self._waiting:
            if self._notifier is not None:
                await trio.lowlevel.wait_writable(self._notifier.socket)
            if not self._send_waiting():
                await trio.sleep(RETRY_AFTER)

    def close(self) -> None:
        """Give up the socket, after a last try for what waits; nothing is sent any more. `run` must have ended. May be
        called twice."""
        self._send_waiting()
        self.recall("")
        self._wanted = False
        self._disconnect()

    def _send_waiting(self) -> bool:
        """Whether nothing waits any more."""
        while self._waiting and self._try(self._waiting[0].text, self._waiting[0].descriptor):
            self._waiting.popleft().close()
        return not self._waiting

    def _put_off(self, text: str, descriptor: int | None) -> None:
        try:
            # The caller may close its own meanwhile.
            self._waiting.append(_Waiting(text, None if descriptor is None else os.dup(descriptor)))
        except OSError:  # no descriptor left to keep it by
            return
        self._news.set()

    def _try(self, text: str, descriptor: int | None) -> bool:
        """Whether it need not be tried again: it was sent, or nobody is there."""
        for _ in range(2):
            if self._notifier is None and not self._connect():
                return True
            assert self._notifier is not None, "it is connected"
            try:
                _send(self._notifier, text, descriptor)
            except ConnectionError:
                self._disconnect()  # another manager may listen there by now
            except OSError:
                return False
            else:
                return True
        return True

    def _connect(self) -> bool:
        if self._wanted:
            with contextlib.suppress(OSError):
                self._notifier = sdnotify.SystemdNotifier(debug=True)
                # A manager that does not read must not stop the agent.
                self._notifier.socket.setblocking(False)
        return self._notifier is not None

    def _disconnect(self) -> None:
        if self._notifier is not None:
            self._notifier.socket.close()
        self._notifier = None


def _send(notifier: sdnotify.SystemdNotifier, text: str, descriptor: int | None) -> None:
    """Raises OSError."""
    message = text.encode("utf-8", "replace")
    if descriptor is None:
        # sdnotify encodes as Latin-1 and fails at what has no place there; the protocol is UTF-8.
        notifier.notify(message.decode("latin-1"))
    else:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [descriptor]))
        notifier.socket.sendmsg([message], [rights])


class SystemdNotifier:
    """`orchestrator.ports.Notifier`, with $WATCHDOG_USEC and $WATCHDOG_PID as they are when it is made."""

    def __init__(self, manager: ManagerSocket) -> None:
        self._manager = manager
        self._watchdog_interval = _watchdog_interval()

    @property
    def watchdog_interval(self) -> float | None:
        """Seconds between two WATCHDOG=1: half of $WATCHDOG_USEC, as sd_watchdog_enabled(3) advises. None where it is
        not set, is no positive number, or is meant for another process."""
        return self._watchdog_interval

    def ready(self) -> None:
        """READY=1."""
        self._manager.send("READY=1")

    def reloading(self) -> None:
        """RELOADING=1, with the moment, by which systemd knows that it is not of an earlier reload."""
        self._manager.send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def status(self, text: str) -> None:
        """STATUS=, of a longer text the lines joined."""
        self._manager.recall("STATUS=")  # only the last one is true
        self._manager.send(f"STATUS={' '.join(text.split())}")

    def stopping(self) -> None:
        """STOPPING=1."""
        self._manager.send("STOPPING=1")

    def extend(self, seconds: float) -> None:
        """EXTEND_TIMEOUT_USEC=."""
        self._manager.send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}", fleeting=True)

    def watchdog(self) -> None:
        """WATCHDOG=1."""
        self._manager.send("WATCHDOG=1", fleeting=True)


def _watchdog_interval() -> float | None:
    try:
        micros = int(os.environ["WATCHDOG_USEC"])
        pid = int(os.environ.get("WATCHDOG_PID") or os.getpid())
    except (KeyError, ValueError):
        return None
    return micros / 2e6 if micros > 0 and pid == os.getpid() else None
