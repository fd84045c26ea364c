"""What systemd would listen on, as a socket of the test's own."""

import array
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST = 16
"""Descriptors that come with one message at most."""


class Manager:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = self._bind()

    def _bind(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.setblocking(False)
        listener.bind(f"\0{self.address[1:]}" if self.address.startswith("@") else self.address)
        return listener

    def read(self) -> tuple[str, list[int]]:
        """The next message, with the descriptors that came with it, which are the caller's; fails if there is none."""
        item = array.array("i")
        text, extra, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(MOST * item.itemsize))
        for _, _, rights in extra:
            item.frombytes(rights[: len(rights) - len(rights) % item.itemsize])
        for descriptor in item:
            os.set_inheritable(descriptor, False)
        return text.decode(), item.tolist()

    def read_texts(self) -> list[str]:
        """All that has arrived; no descriptor may be with it."""
        texts: list[str] = []
        while True:
            try:
                text, descriptors = self.read()
            except BlockingIOError:
                return texts
            assert descriptors == []
            texts.append(text)

    def vanish(self) -> None:
        """As if it were killed."""
        self._socket.close()
        if not self.address.startswith("@"):
            Path(self.address).unlink()

    def come_back(self) -> None:
        """Listen at the same place anew."""
        self._socket = self._bind()

    def close(self) -> None:
        self._socket.close()


@contextmanager
def listen(address: str) -> Iterator[Manager]:
    """address: a path, or the name of an abstract socket after an ``@``."""
    manager = Manager(address)
    try:
        yield manager
    finally:
        manager.close()
