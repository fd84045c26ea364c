"""The benches: medians, and ratios against the bare runtime of the same run. Exit 1 if a ratio is above its bound.

    python -m tests.bench [--rounds N] [NAME...]

Needs root and an OCI runtime. Times on a shared machine mean little alone, so each round measures both sides in turn.
"""

import argparse
import sys

from tests.bench import rename
from tests.bench.measure import Result, show

BENCHES = {"rename": rename.measure}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="how often each side is measured (default 40)")
    parser.add_argument("--runtime", default="runc", help="the OCI runtime of both sides (default runc)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which benches: {', '.join(BENCHES)} (default all)")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(BENCHES))
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}")
    results: list[Result] = []
    for name in given.names or BENCHES:
        results.extend(BENCHES[name](given.runtime, given.rounds))
    print(show(results))
    return 1 if any(result.exceeded for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
