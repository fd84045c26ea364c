"""The command line beside an agent that is none: a real control socket with an operator that a test scripts."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import evolve, frozen

from orchestrator.model.layout import Layout
from orchestrator.model.state import NameState, PublicState
from orchestrator.system.disk import HostDisk
from orchestrator.system.states import read_start_time
from orchestrator.testing.operator import AGENT, FakeOperator
from tests.api.helpers_api import serving

ORCHESTRATOR = (sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())")
WEB = NameState(name="web", state=PublicState.RUNNING, since=1.5, ready=True, pid=42)


@frozen
class Beside:
    """A run directory whose agent is this process."""

    operator: FakeOperator
    layout: Layout

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and errors of a command, as a process of its own."""
        environment = {**os.environ, "ORCHESTRATOR_STATE": self.layout.state, "ORCHESTRATOR_RUN": self.layout.run}
        done = await trio.run_process(
            [*ORCHESTRATOR, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()


@asynccontextmanager
async def beside_agent(base: Path, config: str) -> AsyncIterator[Beside]:
    """An agent of one container that runs, `web`, with ``config`` as its directory."""
    start_time = read_start_time(os.getpid()) or 0
    agent = evolve(AGENT, pid=os.getpid(), pid_start_time=start_time, config=config)
    async with serving(base, FakeOperator([WEB], agent=agent)) as served:
        HostDisk(served.layout).write_agent(agent)
        yield Beside(served.operator, served.layout)
