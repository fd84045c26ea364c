"""Holds listening sockets while there is no agent: a process of its own, there only while there are sockets.

``python -I -S holder.py``, with a listening socket (unix(7), SOCK_SEQPACKET) as its descriptor 3. One message is one
request:

    keep NAME, with a descriptor     hold it under that name, instead of what is held there
    give_up NAME                     close it
    list                             a message with the name and the descriptor of each
    end                              close all

Each is answered by ``ok``, after what was listed; by ``no`` if it is none of these, or no descriptor has come with
``keep``. It ends when it holds nothing and a client has given up the last, or has gone. It imports nothing of the
agent, so that it stays small and an upgrade of the agent does not concern it: a later one asks an earlier holder, so
this may become more but no other. `orchestrator.system.holding` is the other side. Floor: system.
"""

import os
import select
import signal
import socket
import sys
import time
from array import array

LISTENER = 3
"""The descriptor of the socket that it is asked at."""

LONGEST = 4096
"""Bytes of a message."""

PATIENCE = 5.0
"""Seconds that a client may take to read what it has asked for; the others wait."""

ACCEPT_AGAIN_AFTER = 0.1
"""Seconds."""

_ROOM = socket.CMSG_SPACE(array("i", [0]).itemsize)


def hold(listener: socket.socket) -> None:
    """Serve whoever asks until nothing is held. A holder that was just begun waits for its first client."""
    held: dict[str, int] = {}
    clients: dict[int, socket.socket] = {}
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                try:
                    client, _ = listener.accept()
                except OSError:  # it has gone, or there is no descriptor left
                    time.sleep(ACCEPT_AGAIN_AFTER)
                    continue
                client.settimeout(PATIENCE)
                clients[client.fileno()] = client
                poll.register(client, select.POLLIN)
                continue
            had_any = bool(held)
            try:
                goes_on = _serve(clients[number], held)
            except ConnectionError:  # it is gone: what it has said until then is heard still
                goes_on = True
            except OSError:  # it does not read
                goes_on = False
            if not goes_on:
                poll.unregister(number)
                clients.pop(number).close()
            if not held and (had_any or not goes_on):
                return


def _serve(client: socket.socket, held: dict[str, int]) -> bool:
    """One request and its answer; whether there may be another. Raises OSError."""
    data, ancillary, _, _ = client.recvmsg(LONGEST, _ROOM)
    descriptors = array("i")
    for level, kind, raw in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(raw)
    verb, _, name = data.decode(errors="replace").partition(" ")
    known = True
    if verb == "keep" and name and descriptors:
        _close(held, name)
        held[name] = descriptors.pop(0)
    elif verb == "give_up":
        _close(held, name)
    elif verb == "end":
        for each in list(held):
            _close(held, each)
    elif verb == "list":
        for each, number in held.items():
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [number]))
            client.sendmsg([each.encode()], [rights])
    else:
        known = False
    for stray in descriptors:
        os.close(stray)
    if data:
        client.send(b"ok" if known else b"no")
    return bool(data)


def _close(held: dict[str, int], name: str) -> None:
    if name in held:
        os.close(held.pop(name))


def main() -> int:
    """Hold until nothing is held. Returns the exit code."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")  # no file system is to be busy because of it
    with socket.socket(fileno=LISTENER) as listener:
        hold(listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
