"""The agent's own state file, for as long as it lives. Floor: system."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from orchestrator import __version__
from orchestrator.model.settings import Settings
from orchestrator.model.state import AgentState
from orchestrator.ports import Disk, Runtime
from orchestrator.system.output import say
from orchestrator.system.procstat import read_start_time


@contextmanager
def agent_file(path: str, disk: Disk, settings: Settings, runtime: Runtime) -> Iterator[AgentState]:
    """Write the file at ``path``, and remove it at the end. Raises DiskFailed."""
    agent = _describe(settings, runtime)
    disk.write_agent(agent)
    say(f"agent {agent.version} with {agent.runtime_name} ({agent.runtime}), definitions in {agent.config}")
    try:
        yield agent
    finally:
        with suppress(OSError):  # one that stays tells of a process that is gone
            os.unlink(path)


def _describe(settings: Settings, runtime: Runtime) -> AgentState:
    start_time = read_start_time(os.getpid())
    assert start_time is not None, "this process exists"
    return AgentState(
        pid=os.getpid(),
        pid_start_time=start_time,
        version=__version__,
        started_at=time.time(),
        config=settings.config,
        state=settings.state,
        runtime=runtime.command,
        runtime_name=runtime.name,
    )
