"""Kills agents and looks at what becomes of their containers, then edits definitions and looks at what the agent
holds; exit 1 with the first thing that is wrong.

    python -m tests.faults [--seed N] [--kills N] [--edits N] [--keep FOLDER]

Needs root and an OCI runtime.
"""

import argparse
import random
import signal
import sys
import tempfile
from pathlib import Path

from tests.faults.churn import GROWTH, Churn
from tests.faults.harness import Harness, Wrong, never_hit
from tests.faults.points import list_points
from tests.host.agent_process import AgentProcess

KILLS = 500
EDITS = 2000
WARM_UP = 1000
"""Edits before the agent's memory is looked at for the first time. It grows by about 3 MB in the first two thousand,
ever more slowly, and then no more: what CPython keeps of the largest that it needed so far."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="do again what a run with this seed did (default: another each time)")
    parser.add_argument("--kills", type=int, default=KILLS, help=f"how many agents are killed (default {KILLS})")
    parser.add_argument("--edits", type=int, default=EDITS, help=f"how many edits follow (default {EDITS})")
    parser.add_argument("--runtime", default="runc", help="the OCI runtime (default runc)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this folder, and leave it")
    given = parser.parse_args()
    # Whoever ends it is left no containers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    seed = given.seed if given.seed is not None else random.randrange(1_000_000)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="orchestrator-faults-") as folder:
        base = given.keep or Path(folder)
        base.mkdir(exist_ok=True)
        return max(kill(base / "kills", seed, given), edit(base / "edits", seed, given))


def kill(base: Path, seed: int, given: argparse.Namespace) -> int:
    """The agents that are killed. Returns 1 if something is wrong."""
    base.mkdir()
    with Harness(base, seed, lambda text: print(text, flush=True), given.runtime) as harness:
        try:
            harness.run(given.kills)
        except Wrong as wrong:
            report(harness, complete=False)
            print(f"{wrong}\nFAILED with seed {seed}", flush=True)
            return 1
        return report(harness, complete=given.kills >= KILLS)


def edit(base: Path, seed: int, given: argparse.Namespace) -> int:
    """The edits. Returns 1 if something grows."""
    base.mkdir()
    with AgentProcess(base, given.runtime) as agent:
        churn = Churn(agent.start(), seed)
        before = churn.run(WARM_UP)
        after = churn.run(given.edits)
    print(f"{given.edits} edits: RSS {before.memory} and then {after.memory} KiB", flush=True)
    grown = after.watches != before.watches or after.memory - before.memory >= GROWTH
    if grown:
        print(f"FAILED: it grows: {before} and then {after}", flush=True)
    return int(grown)


def report(harness: Harness, *, complete: bool) -> int:
    """Tell which points were reached and hit. Returns 1 if one that should be was not."""
    reached = harness.reached
    for point in list_points():
        print(f"{reached.killed[point]:5} kills in {reached.passed[point]:6} times  {point}")
    for where in ("at an instant", "at rest"):
        print(f"{harness.tally.kills[where]:5} kills {where}")
    print("deeds: " + ", ".join(f"{verb} {count}" for verb, count in sorted(harness.deeds.items())))
    missed = never_hit(reached)
    if missed:
        print(f"never hit: {', '.join(missed)}")
    return 1 if missed and complete else 0


if __name__ == "__main__":
    sys.exit(main())
