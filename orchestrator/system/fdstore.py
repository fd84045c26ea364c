"""systemd's file descriptor store: what it keeps for a next agent, and has kept for this one. Floor: system.

sd_pid_notify_with_fds(3), sd_listen_fds(3).
"""

import os
import re
from collections.abc import MutableMapping

from orchestrator.system.sdnotify import ManagerSocket

FIRST = 3
"""SD_LISTEN_FDS_START: the descriptors that a service is handed are these and the next ones."""

_NAME = re.compile(r"[\x20-\x39\x3b-\x7e]{1,255}")
"""What FDNAME= may be: ASCII that can be printed, but no colon."""


class SystemdStore:
    """`orchestrator.ports.DescriptorStore`, with what $LISTEN_FDS hands over when it is made.

    To be made once and early, before any command is started: the descriptors are private from then on, and the
    variables are gone. What systemd keeps goes with the last one that holds it: the unit says how many it takes
    (FileDescriptorStoreMax=), and drops all of them when the service is stopped and not started again.
    """

    def __init__(self, manager: ManagerSocket, environ: MutableMapping[str, str] = os.environ) -> None:
        self._manager = manager
        self._handed = _take_handed(environ)

    def keep(self, name: str, descriptor: int) -> None:
        """Let a descriptor be kept under ``name`` until it is given up. See `orchestrator.ports.DescriptorStore`."""
        if _NAME.fullmatch(name):
            # Without FDPOLL=0 systemd lets go of a pidfd when its process ends: just when it is of use.
            self._manager.send(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", descriptor)

    def give_up(self, name: str) -> None:
        """Let it go, also where it is only on its way."""
        if _NAME.fullmatch(name):
            self._manager.recall(f"FDSTORE=1\nFDNAME={name}\n")
            self._manager.send(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def take(self, name: str) -> int | None:
        """The descriptor that was kept under ``name`` when this agent began, once; it is the caller's then, and kept
        on."""
        descriptors = self._handed.get(name)
        if not descriptors:
            return None
        taken = descriptors.pop()
        self._close(name)
        return taken

    def take_all(self, prefix: str) -> dict[str, int]:
        """Those whose names begin so, by name; they are the caller's, and kept on. Of two of one name the last."""
        names = [name for name in self._handed if name.startswith(prefix)]
        taken = {}
        for name in names:
            descriptor = self.take(name)
            assert descriptor is not None, "it was handed over"
            taken[name] = descriptor
        return taken

    def give_up_rest(self) -> None:
        """Let go of all that was handed over and not taken."""
        for name in list(self._handed):
            self._close(name)
            self.give_up(name)

    def _close(self, name: str) -> None:
        for descriptor in self._handed.pop(name):
            os.close(descriptor)


def _take_handed(environ: MutableMapping[str, str]) -> dict[str, list[int]]:
    """The descriptors by name, in their order, if they are for this process; none of the variables is left."""
    values = [environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")]
    pid, count = (int(text) if text.isascii() and text.isdecimal() else 0 for text in values[:2])
    handed: dict[str, list[int]] = {}
    if pid != os.getpid():
        return handed
    names = values[2].split(":") if values[2] else []
    for number in range(count):
        descriptor = FIRST + number
        try:
            os.set_inheritable(descriptor, False)
        except OSError:  # the variable counts more than there are
            break
        handed.setdefault(names[number] if number < len(names) else "unknown", []).append(descriptor)
    return handed
