"""Holds listening sockets while there is no agent: a process of its own, there only while there are sockets.

``python -I -S holder.py``, with a listening socket (unix(7), SOCK_SEQPACKET) as its descriptor 3. It ends when it holds
nothing any more. One message is one request, ``keep NAME`` with a descriptor, ``give_up NAME`` or ``list``, answered by
``ok``; ``list`` by a message with a name and a descriptor for each first. It imports nothing of the agent, so that it
stays small and an upgrade of the agent does not concern it. `orchestrator.system.holding` is the other side.
Floor: system.
"""

import os
import signal
import socket
import sys
from array import array

LISTENER = 3
"""The descriptor of the socket that it is asked at."""

PATIENCE = 5.0
"""Seconds that a client may take for its next word: while it is listened to, others wait."""

LONGEST = 4096
"""Bytes of a message."""


def hold(listener: socket.socket) -> None:
    """Serve one client after another until nothing is held. A holder that was just begun waits for its first."""
    held: dict[str, int] = {}
    while True:
        client, _ = listener.accept()
        with client:
            client.settimeout(PATIENCE)
            try:
                while request := _receive(client):
                    _answer(client, held, *request)
            except OSError:
                pass  # it is gone, or silent: what it has said until now holds
        if not held:
            return


def _receive(client: socket.socket) -> tuple[str, str, int | None] | None:
    """The next request: verb, name and descriptor; None at the end."""
    data, ancillary, _, _ = client.recvmsg(LONGEST, socket.CMSG_SPACE(array("i", [0]).itemsize))
    descriptors = array("i")
    for level, kind, raw in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(raw)
    if not data:
        return None
    verb, _, name = data.decode().partition(" ")
    return verb, name, descriptors[0] if descriptors else None


def _answer(client: socket.socket, held: dict[str, int], verb: str, name: str, descriptor: int | None) -> None:
    if verb == "keep" and descriptor is not None:
        before = held.pop(name, None)
        if before is not None:
            os.close(before)
        held[name] = descriptor
    elif verb == "give_up" and name in held:
        os.close(held.pop(name))
    elif verb == "list":
        for each, number in held.items():
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [number]))
            client.sendmsg([each.encode()], [rights])
    client.send(b"ok")


def main() -> int:
    """Hold until nothing is held. Returns the exit code."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=LISTENER) as listener:
        hold(listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
