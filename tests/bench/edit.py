"""An edit of one definition among 1,000, against one of the only one: from the rename to the new instance's first
instruction. The other 999 are held, so that the machine is no busier for them."""

import time
from contextlib import ExitStack

from orchestrator.system.states import read_boot_id
from tests.bench.agent import Home, make_home, read_name, run_agent, wait_until, write_definition
from tests.bench.measure import Ratio, Result

BOUND = 2.0
DEFINITIONS = 1000


def measure(runtime: str, rounds: int) -> list[Result]:
    """Both agents run beside each other, and are edited in turn."""
    among: list[float] = []
    alone: list[float] = []
    with ExitStack() as stack:
        few, many = stack.enter_context(make_home()), stack.enter_context(make_home())
        (many.run / "held").mkdir()
        for number in range(1, DEFINITIONS):
            write_definition(many, f"bench{number}", ["sleep", str(number)])
            (many.run / "held" / f"bench{number}").write_text(read_boot_id())
        stack.enter_context(run_agent(few, runtime))
        stack.enter_context(run_agent(many, runtime))
        for number in range(rounds + 2):
            alone.append(_edit(few, number))
            among.append(_edit(many, number))
    return [Ratio("edit of one among 1,000", among[2:], alone[2:], BOUND, "of the only one")]


def _edit(home: Home, number: int) -> float:
    before = (read_name(home, "edited") or {}).get("instance")
    began = time.perf_counter()
    write_definition(home, "edited", ["/bin/sh", "-c", f"echo {number} > /sync/started; exec sleep 1000"])
    with home.sync.open("rb") as pipe:
        took = time.perf_counter() - began
        assert pipe.readline() == b"%d\n" % number
    wait_until(
        lambda: (
            (state := read_name(home, "edited")) is not None
            and state["state"] == "running"
            and state["instance"] != before
        )
    )
    return took
