"""The control socket: bound so that only root and the agent's own user may connect, and bound again when it is lost.

What is spoken on it is left to `orchestrator.api`. unix(7): connecting needs the right to write to the socket's file.
Floor: system.
"""

import contextlib
import os
import socket
import stat
from collections.abc import Collection

import trio

from orchestrator.ports import DiskFailed
from orchestrator.system.closing import Closing
from orchestrator.system.files import remove_file
from orchestrator.system.socketpath import shorten_path

MODE = 0o600
BACKLOG = 100


class ControlSocket(Closing):
    """A listening socket in the file system. Implements `orchestrator.api.needs.Listener`.

    Whoever makes one must hold the lock of the run directory: a socket that stands there is of an agent that is gone.
    It is closed, and bound again, inside of the loop.
    """

    def __init__(self, path: str) -> None:
        """path: absolute. Raises DiskFailed."""
        self._path = path
        self._replaced = trio.Event()
        self._socket, self._identity = _bind(path)
        self._addresses = {self._socket.getsockname()}

    @property
    def path(self) -> str:
        """See `orchestrator.api.needs.Listener`."""
        return self._path

    def fileno(self) -> int:
        """See `orchestrator.api.needs.Listener`."""
        return self._socket.fileno()

    async def wait_replaced(self, descriptor: int) -> None:
        """See `orchestrator.api.needs.Listener`."""
        await trio.lowlevel.checkpoint()
        while self.fileno() == descriptor:
            await self._replaced.wait()

    def is_bound(self) -> bool:
        """Whether the path leads to this socket; not if somebody has removed it."""
        try:
            return _identify(self._path) == self._identity
        except OSError:
            return False

    def bind_again(self) -> None:
        """Listen at the path anew, in place of a socket that was removed. Who is connected stays so.

        Raises DiskFailed; then the old one is kept."""
        old = self._socket
        self._socket, self._identity = _bind(self._path)
        self._addresses.add(self._socket.getsockname())
        trio.lowlevel.notify_closing(old)
        old.close()
        self._replaced.set()
        self._replaced = trio.Event()

    def hang_up(self) -> None:
        """See `orchestrator.api.needs.Listener`. The connections are the server's, so they are found by their address:
        a socket that was accepted has that of the one that it was accepted from."""
        self.close()  # first, so that there is a descriptor for the look at the others
        for name in os.listdir("/proc/self/fd"):
            try:
                found = socket.socket(fileno=int(name))
            except OSError:  # no socket, or closed by now (that of the listing is)
                continue
            with contextlib.suppress(OSError):
                if found.family == socket.AF_UNIX and _is_accepted(found, self._addresses):
                    found.shutdown(socket.SHUT_RDWR)
            found.detach()  # it stays its owner's

    def close(self) -> None:
        """Listen no more, and remove the socket. May be called twice."""
        if self._socket.fileno() < 0:
            return
        if self.is_bound():
            remove_file(self._path)
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()


def _bind(path: str) -> tuple[socket.socket, tuple[int, int]]:
    """A listening socket, and what its file is known by."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        _remove_stale(path)
        mask = os.umask(0o777 & ~MODE)
        try:
            with shorten_path(path) as address:
                listening.bind(address)
        finally:
            os.umask(mask)
        listening.listen(BACKLOG)
        return listening, _identify(path)
    except OSError as error:
        listening.close()
        raise DiskFailed(f"cannot listen at {path}: {error.strerror}") from error


def _remove_stale(path: str) -> None:
    """Raises FileExistsError, from bind(2) later on, for what is no socket: it is none of ours."""
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        return


def _identify(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _is_accepted(found: socket.socket, addresses: Collection[str]) -> bool:
    return found.getsockname() in addresses and not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
