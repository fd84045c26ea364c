"""`orchestrator status` as a whole process, beside 20 containers."""

import subprocess
import time

from tests.bench.agent import make_home, program, run_agent, write_definition
from tests.bench.measure import Figure, Result

BOUND = 200.0
CONTAINERS = 20


def measure(runtime: str, rounds: int) -> list[Result]:
    """The table of all, and the explanation of one."""
    with make_home() as home:
        for number in range(CONTAINERS):
            write_definition(home, f"bench{number}", ["sleep", "1000"])
        with run_agent(home, runtime):
            where = ("--run", str(home.run))
            return [
                Figure("status of 20 containers", _time(rounds, *where), "ms", BOUND),
                Figure("status of one, explained", _time(rounds, "bench7", *where), "ms", BOUND),
            ]


def _time(rounds: int, *arguments: str) -> list[float]:
    took = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        subprocess.run(program("status", *arguments), stdout=subprocess.DEVNULL, check=True)
        took.append((time.perf_counter() - began) * 1000)
    return took[1:]
