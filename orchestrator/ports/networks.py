"""The network namespaces of containers that run. Floor: ports."""

from contextlib import AbstractContextManager
from typing import Protocol

from orchestrator.ports.errors import OutsideError


class NetworkGone(OutsideError):
    """The process has ended, so that there is no telling whose namespace its number would lead to."""


class Networks(Protocol):
    """The network namespaces of processes, for others to join."""

    def hold(self, pid: int, start_time: int, link: str) -> AbstractContextManager[None]:
        """Have ``link`` (an absolute path at which there is nothing, in a folder that is there) lead to the network
        namespace of a process: of no other, whatever becomes of the process meanwhile. Until it is left.

        start_time: field 22 of /proc/PID/stat. Raises NetworkGone; OutsideError where it cannot be opened or led to.
        """
        ...
