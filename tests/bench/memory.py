"""What the agent holds in memory: with no container, with 50, and after the first question over its HTTP interface.

proc_pid_smaps_rollup(5): Pss counts a page that processes share in parts.
"""

import re
import subprocess
import time
from pathlib import Path

from tests.bench.agent import make_home, program, read_name, run_agent, wait_until, write_definition
from tests.bench.measure import Figure, Result

RSS_BOUND = 45.0
EACH_BOUND = 50.0
CONTAINERS = 50
QUIET_AFTER = 12.0
"""Seconds after which idle worker threads have ended."""


def measure(runtime: str, rounds: int) -> list[Result]:
    """One agent a round."""
    alone, asked, each, processes = [], [], [], []
    for _ in range(rounds):
        with make_home() as home, run_agent(home, runtime) as agent:
            time.sleep(QUIET_AFTER)
            alone.append(_read(agent, "Rss") / 1024)
            subprocess.run(program("stop", "--all", "--run", str(home.run)), stdout=subprocess.DEVNULL, check=True)
            asked.append(_read(agent, "Rss") / 1024)
            write_definition(home, "first", ["sleep", "1000"])
            wait_until(lambda: (read_name(home, "first") or {}).get("state") == "running")
            time.sleep(QUIET_AFTER)
            before = _read(agent, "Pss")
            for number in range(CONTAINERS):
                write_definition(home, f"bench{number}", ["sleep", "1000"])
            for number in range(CONTAINERS):
                wait_until(lambda name=f"bench{number}": (read_name(home, name) or {}).get("state") == "running")  # type: ignore[misc]
            time.sleep(QUIET_AFTER)
            each.append((_read(agent, "Pss") - before) / CONTAINERS)
            children = Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
            processes.append(float(len(children) - CONTAINERS - 1))
    return [
        Figure("RSS of the agent with no container", alone, "MB", RSS_BOUND),
        Figure("RSS after the first question over HTTP", asked, "MB", RSS_BOUND),
        Figure("PSS for each running container", each, "KB", EACH_BOUND),
        Figure("processes beside the containers' own", processes, "", 0),
    ]


def _read(pid: int, key: str) -> float:
    """KB of a process."""
    found = re.search(rf"^{key}:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return float(found[1])
