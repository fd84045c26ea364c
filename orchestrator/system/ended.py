"""Waiting for the end of a process that is none of ours. Floor: system."""

import os

import trio

from orchestrator.ports import OutsideError
from orchestrator.system.procstat import is_alive


async def wait_ended(pid: int, start_time: int) -> None:
    """Return when the process with this id and this start time (`procstat`) has ended, at once if it has already.

    Raises OutsideError where it cannot be told.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except OSError as error:
        raise OutsideError(f"cannot wait for process {pid}: {error.strerror}") from error
    try:
        # Looked at while it is held: if it is the one that is meant, the descriptor is its.
        if is_alive(pid, start_time):
            await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)
