"""The agent's side of the process that holds listening sockets: begins it when there is something to hold, and asks it.

The process is `orchestrator.system.holder`. Blocking: a request takes tenths of a millisecond, a beginning as long as
an interpreter takes to start. Floor: system.
"""

import contextlib
import os
import socket
import sys
from array import array
from collections.abc import Iterator

from orchestrator.ports import OutsideError
from orchestrator.system import holder
from orchestrator.system.socketpath import shorten_path
from orchestrator.system.spawn import clean_environment

PATIENCE = 5.0
"""Seconds that the holder may take to begin, or to answer."""


class HolderFailed(OutsideError):
    """The process that holds sockets cannot be begun, or does not answer."""


class Holding:
    """`orchestrator.system.listeners.Keeper` where there is no systemd that would keep them."""

    def __init__(self, path: str) -> None:
        """path: of the holder's socket, in a folder that nobody else may write to."""
        self._path = path
        self._kept: dict[str, int] = {}

    def keep(self, name: str, descriptor: int) -> None:
        """See `orchestrator.system.listeners.Keeper`. Raises HolderFailed."""
        self._kept[name] = descriptor
        try:
            self._tell({name: descriptor})
        except ConnectionError:
            # There is none, or it is just ending, or somebody has ended it: another one holds all that there is.
            self._begin()
            try:
                self._tell(self._kept)
            except OSError as error:
                raise HolderFailed(f"the process that holds sockets does not answer: {error}") from error
        except OSError as error:
            raise HolderFailed(f"the process that holds sockets does not answer: {error}") from error

    def give_up(self, name: str) -> None:
        """See `orchestrator.system.listeners.Keeper`."""
        self._kept.pop(name, None)
        with contextlib.suppress(OSError), self._connect() as connection:
            _ask(connection, f"give_up {name}")
        if not self._kept:
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def take_all(self, prefix: str) -> dict[str, int]:
        """See `orchestrator.system.listeners.Keeper`."""
        taken: dict[str, int] = {}
        with contextlib.suppress(OSError), self._connect() as connection:
            connection.send(b"list ")
            while True:
                data, ancillary, _, _ = connection.recvmsg(holder.LONGEST, socket.CMSG_SPACE(4))
                descriptors = array("i")
                for level, kind, raw in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                        descriptors.frombytes(raw)
                if not descriptors:
                    break
                os.set_inheritable(descriptors[0], False)
                taken[data.decode()] = descriptors[0]
        self._kept = dict(taken)
        return {name: descriptor for name, descriptor in taken.items() if name.startswith(prefix)}

    def _tell(self, kept: dict[str, int]) -> None:
        with self._connect() as connection:
            for name, descriptor in kept.items():
                _ask(connection, f"keep {name}", descriptor)

    @contextlib.contextmanager
    def _connect(self) -> Iterator[socket.socket]:
        """Raises OSError; ConnectionError where there is no holder."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection, shorten_path(self._path) as path:
            connection.settimeout(PATIENCE)
            try:
                connection.connect(path)
            except FileNotFoundError as error:
                raise ConnectionRefusedError(error.errno, "there is no holder") from error
            yield connection

    def _begin(self) -> None:
        """Start a holder. What it is asked before it listens it answers then. Raises HolderFailed."""
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, shorten_path(self._path) as path:
                listener.bind(path)
                os.chmod(self._path, 0o600)
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
        except OSError as error:
            raise HolderFailed(f"the process that holds sockets cannot be begun: {error.strerror}") from error


def _ask(connection: socket.socket, request: str, descriptor: int | None = None) -> None:
    """One request and its answer. Raises OSError."""
    rights = [] if descriptor is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [descriptor]))]
    connection.sendmsg([request.encode()], rights)
    if connection.recv(holder.LONGEST) != b"ok":
        raise ConnectionResetError("it has ended")
