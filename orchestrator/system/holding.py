"""The agent's side of the process that holds listening sockets: begins it when there is something to hold, and asks it.

The process is `orchestrator.system.holder`. Requests block: one takes tenths of a millisecond, a beginning as long as
an interpreter takes to start. One connection stays open, so that the end of the process is seen. Floor: system.
"""

import contextlib
import os
import socket
import sys
from array import array
from collections.abc import Callable, Mapping

import trio

from orchestrator.ports import OutsideError
from orchestrator.system import holder
from orchestrator.system.socketpath import shorten_path
from orchestrator.system.spawn import clean_environment

PATIENCE = 2.0
"""Seconds that the holder may take to answer: who takes longer hangs, and another one takes its place."""

BEGIN_PATIENCE = 10.0
"""Seconds that it may take to begin."""

BEGIN_AGAIN_AFTER = 1.0
"""Seconds until another is begun because one has ended; twice as many after each that cannot be begun."""
LONGEST_DELAY = 60.0

_ROOM = socket.CMSG_SPACE(array("i", [0]).itemsize)


class HolderFailed(OutsideError):
    """The process that holds sockets cannot be begun, or does not answer."""


class Holding:
    """`orchestrator.system.listeners.Keeper` where there is no systemd that would keep them."""

    def __init__(self, path: str, say: Callable[[str], None]) -> None:
        """path: of the holder's socket, in a folder that nobody else may write to. say: tells people what happened."""
        self._path = path
        self._say = say
        self._kept: dict[str, int] = {}
        self._connection: socket.socket | None = None
        self._connected = trio.Event()

    def keep(self, name: str, descriptor: int) -> None:
        """See `orchestrator.system.listeners.Keeper`. Raises HolderFailed."""
        try:
            self._ask(f"keep {name}", descriptor)
        except OSError:
            # There is none, or it is just ending, or it hangs: another one holds all that there is.
            self._begin({**self._kept, name: descriptor})
        self._kept[name] = descriptor

    def give_up(self, name: str) -> None:
        """See `orchestrator.system.listeners.Keeper`."""
        self._kept.pop(name, None)
        try:
            self._ask(f"give_up {name}")
        except OSError:
            if self._kept:
                self._begin_or_say()
        if not self._kept:
            self._leave()
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def take_all(self, prefix: str) -> dict[str, int]:
        """See `orchestrator.system.listeners.Keeper`."""
        taken: dict[str, int] = {}
        try:
            self._send(b"list")
            while True:
                name, descriptor = self._receive()
                if descriptor is None:
                    break
                taken[name] = descriptor
            if name != "ok":
                raise ConnectionResetError("it has ended")
        except (FileNotFoundError, ConnectionRefusedError):
            pass  # nothing was held, or is held any more
        except OSError as error:
            self._say(f"the process that holds listening sockets does not answer: {error.strerror or error}")
            self._disconnect()
        self._kept = dict(taken)
        for name in [name for name in taken if not name.startswith(prefix)]:
            self.give_up(name)
            os.close(taken.pop(name))
        return taken

    def begin_again(self) -> None:
        """Somebody has removed its socket, where a next agent would look for it. Never raises."""
        if self._kept and not os.path.exists(self._path):
            self._begin_or_say()

    async def run(self) -> None:
        """See to it that a holder which has ended is followed by another, until cancelled. Costs nothing while it
        runs."""
        try:
            while True:
                await self._connected.wait()
                self._connected = trio.Event()
                while self._connection is not None:
                    await self._watch(self._connection)
        finally:
            self._disconnect()  # this agent ends, and what is held stays held

    async def _watch(self, connection: socket.socket) -> None:
        with contextlib.suppress(trio.ClosedResourceError):  # there is another one, or none
            await trio.lowlevel.wait_readable(connection)
            if self._has_ended():
                self._disconnect()
                await self._follow_it()

    async def _follow_it(self) -> None:
        delay = BEGIN_AGAIN_AFTER
        while self._kept and self._connection is None:
            self._say("the process that holds listening sockets has ended, another takes its place")
            self._begin_or_say()
            await trio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    def _has_ended(self) -> bool:
        """Whether the end of the connection has come; nothing is on its way while nothing was asked."""
        assert self._connection is not None, "it is waited for"
        try:
            return not self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _begin_or_say(self) -> None:
        try:
            self._begin(self._kept)
        except HolderFailed as error:
            self._say(f"{error}; a next agent will not have the listening sockets of this one")

    def _begin(self, kept: Mapping[str, int]) -> None:
        """Start a holder that holds these, and be done with the one before. Raises HolderFailed; then that is left."""
        before, self._connection = self._connection, None
        try:
            self._spawn()
            # What it is asked before it listens it answers then.
            for name, descriptor in kept.items():
                self._ask(f"keep {name}", descriptor, BEGIN_PATIENCE)
        except OSError as error:
            self._leave()
            self._connection = before
            raise HolderFailed(f"the process that holds listening sockets cannot be begun: {error}") from error
        if before is not None:
            _dismiss(before)

    def _spawn(self) -> None:
        """Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, shorten_path(self._path) as path:
            os.fchmod(listener.fileno(), 0o600)  # that of the path then
            listener.bind(path)
            listener.listen(4)
            os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", holder.__file__],
                clean_environment(os.environ),
                file_actions=[
                    *((os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in range(3)),
                    (os.POSIX_SPAWN_DUP2, listener.fileno(), holder.LISTENER),
                ],
                setsid=True,
                setsigmask=[],
            )

    def _ask(self, request: str, descriptor: int | None = None, patience: float = PATIENCE) -> None:
        """One request and its answer. Raises OSError."""
        self._send(request.encode(), descriptor)
        assert self._connection is not None, "it was sent by it"
        self._connection.settimeout(patience)
        answer, _ = self._receive()
        if answer != "ok":
            raise ConnectionResetError(f"it says {answer!r}" if answer else "it has ended")

    def _send(self, request: bytes, descriptor: int | None = None) -> None:
        rights = [] if descriptor is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [descriptor]))]
        self._connect().sendmsg([request], rights)

    def _receive(self) -> tuple[str, int | None]:
        """A message, and the descriptor that came with it. Raises OSError."""
        assert self._connection is not None, "something was asked"
        data, ancillary, _, _ = self._connection.recvmsg(holder.LONGEST, _ROOM, socket.MSG_CMSG_CLOEXEC)
        descriptors = array("i")
        for level, kind, raw in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(raw)
        for stray in descriptors[1:]:
            os.close(stray)
        return data.decode(errors="replace"), descriptors[0] if descriptors else None

    def _connect(self) -> socket.socket:
        """Raises OSError; FileNotFoundError where no holder was begun."""
        if self._connection is None:
            with contextlib.ExitStack() as undo, shorten_path(self._path) as path:
                connection = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
                connection.settimeout(PATIENCE)
                connection.connect(path)
                undo.pop_all()
            self._connection = connection
            self._connected.set()
        return self._connection

    def _leave(self) -> None:
        """Be done with the holder that was asked last: whatever it holds, and hears of late, it lets go."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            _dismiss(connection)

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            _close(connection)


def _dismiss(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.send(b"end", socket.MSG_DONTWAIT)
    _close(connection)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(RuntimeError):  # outside of trio nobody waits for it
        trio.lowlevel.notify_closing(connection)
    connection.close()
