"""The first processes of containers that an earlier agent made: found again, or known to be gone. Floor: system."""

import contextlib
import time

from orchestrator.model.life import Exit
from orchestrator.model.state import InstanceState
from orchestrator.ports import DescriptorStore, Process
from orchestrator.system.process import ProcessGone, adopt_pidfd, open_process
from orchestrator.system.procstat import is_alive
from orchestrator.system.reaper import Children


class EndedProcess:
    """A process that ended while nobody held it. Implements `orchestrator.ports.Process`."""

    def __init__(self, pid: int, start_time: int, ended: Exit) -> None:
        self._pid = pid
        self._start_time = start_time
        self._exit = ended

    @property
    def pid(self) -> int:
        """The process id that it had."""
        return self._pid

    @property
    def start_time(self) -> int:
        """Field 22 of /proc/PID/stat, as it was."""
        return self._start_time

    @property
    def descriptor(self) -> int:
        """-1: it is not held."""
        return -1

    async def wait(self) -> Exit:
        """Its exit, at once."""
        return self._exit

    def send_signal(self, number: int) -> None:
        """Nothing: it has ended."""

    def close(self) -> None:
        """Nothing: it is not held."""


class HostProcesses:
    """Implements `orchestrator.ports.Processes` on this host."""

    def __init__(self, children: Children, store: DescriptorStore) -> None:
        self._children = children
        self._store = store

    def find(self, state: InstanceState) -> Process:
        """See `orchestrator.ports.Processes.find`."""
        if state.pid is None or state.pid_start_time is None:
            return EndedProcess(0, 0, state.exit or Exit(at=time.time()))
        kept = self._store.take(state.instance)
        if kept is not None:
            # It tells how the process has ended, too, if it has meanwhile.
            with contextlib.suppress(ProcessGone):
                return adopt_pidfd(kept, state.pid, state.pid_start_time, self._children)
            self._store.give_up(state.instance)  # it is another's
        try:
            process = open_process(state.pid, self._children, state.pid_start_time)
            self._store.keep(state.instance, process.descriptor)
            return process
        except ProcessGone:
            if is_alive(state.pid, state.pid_start_time):
                raise
            return EndedProcess(state.pid, state.pid_start_time, state.exit or Exit(at=time.time()))
