"""The network namespace of a container: a socket in it without a process, a thread or a program in it, and a path by
which another container joins it.

A socket belongs to the namespace that its maker is in at that moment (network_namespaces(7)), so this thread goes there
and comes back at once. Nothing else runs meanwhile: there is no await in here. Floor: system.
"""

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator

from orchestrator.ports import NetworkGone, OutsideError
from orchestrator.system.files import remove_file
from orchestrator.system.procstat import is_alive

_CLONE_NEWNET = 0x40000000
"""setns(2), from <linux/sched.h>."""


def make_socket(pid: int, start_time: int, family: socket.AddressFamily) -> socket.socket | None:
    """A TCP socket in the network namespace of a process; None if that is gone.

    start_time: field 22 of /proc/PID/stat, so that the pid is not taken for another's. Raises OSError where the socket
    cannot be made. Must be called from a thread that may be in another namespace for a moment.
    """
    namespace = _open(pid, start_time)
    if namespace is None:
        return None
    try:
        with contextlib.ExitStack() as made:
            with _inside(namespace):
                connection = made.enter_context(socket.socket(family, socket.SOCK_STREAM))
            made.pop_all()  # it is the caller's
        return connection
    finally:
        os.close(namespace)


class HostNetworks:
    """Implements `orchestrator.ports.Networks`."""

    @contextlib.contextmanager
    def hold(self, pid: int, start_time: int, link: str) -> Iterator[None]:
        """See `orchestrator.ports.Networks`. The link leads to a descriptor of this process (proc_pid_fd(5)): /proc/PID
        of the other may be a third one's by the time that somebody follows it."""
        with contextlib.ExitStack() as held:
            try:
                namespace = _open(pid, start_time)
                if namespace is None:
                    raise NetworkGone(f"the process {pid} has ended")
                held.callback(os.close, namespace)
                os.symlink(f"/proc/{os.getpid()}/fd/{namespace}", link)
            except OSError as error:
                raise OutsideError(f"cannot join the network of the process {pid}: {error.strerror}") from error
            held.callback(remove_file, link)
            yield


def _open(pid: int, start_time: int) -> int | None:
    """The network namespace of a process, as a descriptor; None if that is gone. Raises OSError."""
    try:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        # What has ended has no namespace; whether it has is not told by one errno.
        if is_alive(pid, start_time):
            raise
        return None
    with contextlib.ExitStack() as opened:
        opened.callback(os.close, namespace)
        # It lives after the namespace was opened, so that is its own.
        if not is_alive(pid, start_time):
            return None
        opened.pop_all()
    return namespace


@contextlib.contextmanager
def _inside(namespace: int) -> Iterator[None]:
    """In another network namespace. Raises OSError; RuntimeError if there is no way back: nothing that this process
    did from then on would be where it ought to be."""
    ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.path.samestat(os.fstat(namespace), os.fstat(ours)):
            yield
            return
        _enter(namespace)
        try:
            yield
        finally:
            try:
                _enter(ours)
            except OSError as error:
                raise RuntimeError(f"this thread is left in another network namespace: {error.strerror}") from error
    finally:
        os.close(ours)


def _enter(namespace: int) -> None:
    """setns(2). Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(ctypes.c_int(namespace), ctypes.c_int(_CLONE_NEWNET)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
