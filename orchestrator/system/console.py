"""Terminals: the one that a runtime makes for a container's process, and the operator's own, which must not stay raw.

Floor: system.
"""

import contextlib
import os
import socket
import termios
import tty
from collections.abc import Iterator

from orchestrator.core.exec_process import TerminalSize
from orchestrator.ports import RuntimeFailed
from orchestrator.system.closing import Closing


class ConsoleSocket(Closing):
    """What is given to a runtime as ``--console-socket``: it sends the terminal that it has made (runc's
    docs/terminals.md)."""

    def __init__(self, folder: str) -> None:
        """folder: absolute; the socket is made in it. Raises OSError."""
        self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        # By the descriptor, since a socket's path may have no more than 107 bytes, unix(7).
        self.path = f"/proc/{os.getpid()}/fd/{self._folder}/console"
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.bind(self.path)
            self._socket.listen(1)
            self._socket.setblocking(False)
        except OSError:
            self.close()
            raise

    def receive(self) -> int:
        """The terminal, once the runtime has done its work. Raises RuntimeFailed where it has sent none."""
        try:
            connection, _ = self._socket.accept()
            with connection:
                connection.setblocking(False)
                _, descriptors, _, _ = socket.recv_fds(connection, 4096, 1)
        except OSError as error:
            raise RuntimeFailed(f"the runtime has sent no terminal: {error.strerror}") from error
        if not descriptors:
            raise RuntimeFailed("the runtime has sent no terminal")
        os.set_inheritable(descriptors[0], False)
        os.set_blocking(descriptors[0], False)
        return descriptors[0]

    def close(self) -> None:
        """Listen no more. May be called twice."""
        self._socket.close()
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1


def read_size(terminal: int) -> TerminalSize | None:
    """The size of a terminal; None where the descriptor is none (any more)."""
    try:
        return TerminalSize(*termios.tcgetwinsize(terminal))
    except termios.error:
        return None


def set_size(terminal: int, size: TerminalSize) -> None:
    """Set the size of a terminal; its foreground process group gets SIGWINCH."""
    with contextlib.suppress(termios.error):
        termios.tcsetwinsize(terminal, (size.rows, size.columns))


@contextlib.contextmanager
def raw_terminal(terminal: int) -> Iterator[None]:
    """Every key goes on as it is, Ctrl-C too; afterwards the terminal is as it was. Raises OSError."""
    try:
        before = termios.tcgetattr(terminal)
        tty.setraw(terminal, termios.TCSANOW)
    except termios.error as error:
        raise OSError(*error.args) from error
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it was closed meanwhile
            termios.tcsetattr(terminal, termios.TCSANOW, before)
