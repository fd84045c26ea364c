"""An agent that can be killed at named points: ``python -m tests.faults.agent SETTINGS FOLDER``.

The agent itself knows nothing of it: what it builds of the outside is put behind proxies, see `tests.faults.points`.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from orchestrator import agent
from orchestrator.ports import Runtime
from orchestrator.system import runtimes
from orchestrator.system.probe_runtime import choose_runtime
from tests.faults.points import Points, PointsFolder

MADE_BY_THE_AGENT = {
    "HostAttacher": "attacher",
    "HostDisk": "disk",
    "HostGenerations": "generations",
    "HostListeners": "listeners",
    "HostNotifySockets": "sockets",
    "HostProber": "prober",
    "HostProcesses": "processes",
    "Holding": "keeper",
    "SystemdStore": "store",
}
"""What the agent builds of the outside beside its runtime, and the port that it is."""


def main(arguments: Sequence[str]) -> int:
    """Run an agent to its end, or to the planned point. Returns its exit code."""
    settings, folder = arguments
    points = Points(PointsFolder(Path(folder)))

    def watched(kind: Callable[..., object], port: str) -> Callable[..., object]:
        return lambda *arguments, **options: points.watch(kind(*arguments, **options), port)

    async def choose(name: str, **where: Any) -> Runtime:  # noqa: ANN401 - as choose_runtime
        runtime: Runtime = points.watch(await choose_runtime(name, **where), "runtime")
        return runtime

    with ExitStack() as stack:
        stack.enter_context(patch.object(runtimes, "choose_runtime", choose))
        for each, port in MADE_BY_THE_AGENT.items():
            stack.enter_context(patch.object(agent, each, watched(getattr(agent, each), port)))
        return agent.main([settings])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
