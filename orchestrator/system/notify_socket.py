"""The sockets that applications send what they say of themselves to: the port `NotifySockets`. Floor: system.

A socket stands in a folder that is mounted into its container (`orchestrator.core.notify`), at a path that stays the
same, so that an agent that comes after this one binds another there. Whose message it is is told by the credentials
that the kernel gives with it (SCM_CREDENTIALS, unix(7)): a process of the container's control group. One that has
ended before it was looked at is believed, since a short-lived command (``systemd-notify``) may well have: nobody but
the container, and root, who may do as he likes, can reach the folder. What root sends by mistake is dropped, as long as
its sender is there to be looked at.

It goes with the agent, and is not kept in systemd's descriptor store: nobody would read it there, and an application
that goes on telling of itself would be held up by a full queue. So a word is refused while there is no agent.
"""

import contextlib
import math
import os
import socket
import struct
from collections.abc import Iterator, Sequence

import trio

from orchestrator.core.notify import LONGEST, parse_notification
from orchestrator.model.health import Notification
from orchestrator.model.layout import Layout
from orchestrator.model.state import InstanceState
from orchestrator.ports import DiskFailed, OutsideError
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.procstat import read_stat
from orchestrator.system.socketpath import shorten_path

MOST_A_SECOND = 100
"""Messages that are read: whoever sends more is held up by its own full queue, and not the agent by it."""

_CREDENTIALS = struct.Struct("=iII")
"""struct ucred: process, user and group."""

_ROOM = socket.CMSG_SPACE(_CREDENTIALS.size)
"""Just enough for the credentials, which come first. What else comes with a message, descriptors above all, finds no
room, and the kernel lets go of it as it hands the message over (unix(7), MSG_CTRUNC): so none is ever received, none
can be left open, and none is flushed by us, which may take for ever. For BARRIER=1 (sd_notify_barrier(3)) that is the
answer, since a message is read when what came before it was acted on."""

_BESIDE = ".new"
"""What the name of a socket ends with until it is in its place."""


class HostNotifySockets:
    """`orchestrator.ports.NotifySockets` on the host."""

    def __init__(self, layout: Layout, cgroups: Cgroups) -> None:
        self._layout = layout
        self._cgroups = cgroups

    @contextlib.contextmanager
    def open(self, instance: InstanceState) -> Iterator["HostNotifySocket"]:
        """See `orchestrator.ports.NotifySockets`."""
        path = self._layout.notify_socket(instance.instance)
        with contextlib.ExitStack() as stack:
            try:
                bound = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
                _bind(bound, path)
            except OSError as error:
                raise DiskFailed(f"cannot listen at {path}: {error.strerror}") from error
            stack.callback(trio.lowlevel.notify_closing, bound)
            yield HostNotifySocket(bound, instance, self._cgroups)


def _bind(bound: socket.socket, path: str) -> None:
    """In place of what stands there, so that there is always one to send to. Raises OSError."""
    # Before anybody can send: of what was sent without it nobody knows whose it is.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    beside = f"{path}{_BESIDE}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)
    with shorten_path(beside) as short:
        bound.bind(short)
    os.chmod(beside, 0o666)  # whoever the application runs as; who else may reach it, its folder says
    os.rename(beside, path)


class HostNotifySocket:
    """`orchestrator.ports.NotifySocket`: one that is bound."""

    def __init__(self, bound: socket.socket, instance: InstanceState, cgroups: Cgroups) -> None:
        self._socket = bound
        self._instance = instance
        self._cgroups = cgroups
        self._read = 0
        self._second_began = -math.inf

    async def receive(self) -> Notification:
        """See `orchestrator.ports.NotifySocket`."""
        while True:
            await self._bound_rate()
            await trio.lowlevel.wait_readable(self._socket)
            notification = self._take()
            if notification is not None:
                return notification

    async def _bound_rate(self) -> None:
        now = trio.current_time()
        if now >= self._second_began + 1:
            self._read, self._second_began = 0, now
        elif self._read >= MOST_A_SECOND:
            await trio.sleep_until(self._second_began + 1)

    def _take(self) -> Notification | None:
        """The message that is there; None where it is none, or another's."""
        try:
            data, ancillary, flags, _ = self._socket.recvmsg(LONGEST + 1, _ROOM)
        except OSError:  # BlockingIOError: nothing is there; no memory: it is lost
            return None
        self._read += 1
        pid = _find_sender(ancillary)
        if flags & socket.MSG_TRUNC or pid is None:
            return None
        notification = parse_notification(data)
        return notification if notification is not None and self._is_ours(pid) else None

    def _is_ours(self, pid: int) -> bool:
        if pid == self._instance.pid:
            return True
        try:
            found = read_stat(pid)
            # A zombie is in no list of a control group.
            gone = found is None or found[0] in ("Z", "X", "x")
            return gone or pid in self._cgroups.pids(self._instance.cgroups_path)
        except (OSError, OutsideError):  # it cannot be looked at now, which is no reason to lose a word
            return True


def _find_sender(ancillary: Sequence[tuple[int, int, bytes]]) -> int | None:
    """The process of SCM_CREDENTIALS, as this process's namespace counts; None for one that it does not see."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(data) == _CREDENTIALS.size:
            pid: int = _CREDENTIALS.unpack(data)[0]
            return pid or None
    return None
