"""1,000 definitions checked and planned by a whole process that begins with nothing."""

import subprocess
import time

from tests.bench.agent import make_home, program, write_definition
from tests.bench.measure import Figure, Result

BOUND = 1.5
DEFINITIONS = 1000


def measure(runtime: str, rounds: int) -> list[Result]:
    """`plan` over a directory of definitions that differ, where no agent runs."""
    took = []
    with make_home() as home:
        for number in range(DEFINITIONS):
            more = f'env.NUMBER = "{number}"\nresources.memory = "64M"\nrestart.delay = "{number}ms"\n'
            write_definition(home, f"bench{number}", ["python3", "-m", "http.server", str(8000 + number)], more)
        where = ("--config", str(home.definitions), "--state", str(home.state), "--run", str(home.run))
        for _ in range(rounds):
            began = time.perf_counter()
            done = subprocess.run(program("plan", *where), capture_output=True, text=True, check=False)
            took.append(time.perf_counter() - began)
            assert done.returncode == 2, done.stderr
            assert done.stdout.count(": start") == DEFINITIONS, done.stdout[-500:]
    return [Figure("plan of 1,000 definitions", took, "s", BOUND)]
