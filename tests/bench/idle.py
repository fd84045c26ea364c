"""System calls of the agent over 30 s with 50 running containers, half of them with sockets, counted by strace(1)."""

import re
import signal
import subprocess
import time

from tests.bench.agent import make_home, run_agent, write_definition
from tests.bench.measure import Figure, Result

CONTAINERS = 50
QUIET_AFTER = 15.0
"""Seconds after which idle worker threads have ended."""
COUNTED = 30.0
"""Seconds that are counted."""


def measure(runtime: str, rounds: int) -> list[Result]:
    """One count a round, all threads together."""
    with make_home() as home:
        for number in range(CONTAINERS):
            sockets = f'sockets.web = "{home.volatile}/{number}.sock"\n' if number % 2 else ""
            write_definition(home, f"bench{number}", ["sleep", "1000"], sockets)
        with run_agent(home, runtime) as agent:
            time.sleep(QUIET_AFTER)
            counts = [_count(agent) for _ in range(rounds)]
    return [Figure("system calls over 30 s with 50 containers", counts, "calls", 0)]


def _count(agent: int) -> float:
    tracer = subprocess.Popen(["strace", "-c", "-f", "-p", str(agent)], stderr=subprocess.PIPE, text=True)
    time.sleep(COUNTED)
    tracer.send_signal(signal.SIGINT)
    _, table = tracer.communicate()
    assert "attached" in table, table
    # The call that it sleeps in is begun before and ended after: strace counts what has ended.
    total = re.search(r"^100\.00\s+\S+\s+\S+\s+(\d+)(?:\s+\d+)? total$", table, re.MULTILINE)
    return float(total[1]) if total else 0.0
