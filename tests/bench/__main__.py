"""The benches: medians, and ratios against the bare runtime of the same run. Exit 1 if one is above its bound.

    python -m tests.bench [--rounds N] [NAME...]

Needs root and an OCI runtime. Times on a shared machine mean little alone, so each round measures both sides in turn.
"""

import argparse
import sys
from collections.abc import Callable, Mapping

from tests.bench import adopt, attach, closure, crash, edit, idle, many, memory, plugins, rename, starts, status
from tests.bench.measure import Result

BENCHES: Mapping[str, tuple[Callable[[str, int], list[Result]], int]] = {
    "rename": (rename.measure, 40),
    "starts": (starts.measure, 5),
    "edit": (edit.measure, 10),
    "many": (many.measure, 5),
    "crash": (crash.measure, 40),
    "adopt": (adopt.measure, 5),
    "attach": (attach.measure, 20),
    "closure": (closure.measure, 40),
    "status": (status.measure, 20),
    "plugins": (plugins.measure, 20),
    "memory": (memory.measure, 1),
    "idle": (idle.measure, 1),
}
"""Each bench, and how often it measures unless told otherwise."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help="how often each side is measured (default: as each bench needs)")
    parser.add_argument("--runtime", default="runc", help="the OCI runtime of both sides (default runc)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which benches: {', '.join(BENCHES)} (default all)")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(BENCHES))
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}")
    exceeded = False
    for name in given.names or BENCHES:
        measure, rounds = BENCHES[name]
        for result in measure(given.runtime, given.rounds or rounds):
            print(result, flush=True)
            exceeded = exceeded or result.exceeded
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
