"""From the kill of an application to the first instruction of its next instance, without a delay, against delete +
create + start of the same bundle by the bare runtime, whose container has ended before its time begins."""

import os
import select
import shutil
import signal
import time
from pathlib import Path

from tests.bench.agent import Home, make_home, read_name, run_agent, wait_until, write_definition
from tests.bench.measure import Ratio, Result
from tests.bench.rename import PROGRAM, copy_bundle, remove_groups, run_quietly, wait_started

BOUND = 1.2
AT_ONCE = 'restart.delay = "0s"\nrestart.max_delay = "0s"\n'


def measure(runtime: str, rounds: int) -> list[Result]:
    """Both sides in turn, after two rounds that are not counted."""
    ours: list[float] = []
    bare: list[float] = []
    with make_home() as home, run_agent(home, runtime):
        write_definition(home, "bench", PROGRAM, AT_ONCE)
        wait_started(home)
        _wait_running(home)
        bundle = copy_bundle(home, "bench")
        with (bundle / "output").open("w") as output:
            container = _Bare(home, runtime, bundle, output.fileno())
            container.begin()
            for _ in range(rounds + 2):
                ours.append(_crash(home))
                bare.append(container.crash())
            container.end()
        shutil.rmtree(bundle)
    remove_groups()
    return [Ratio("crash to the next first instruction", ours[2:], bare[2:], BOUND)]


def _wait_running(home: Home, before: int = 0) -> int:
    """Wait until it runs as another process than ``before``; its pid."""
    wait_until(lambda: _read_pid(home) not in (0, before))
    return _read_pid(home)


def _read_pid(home: Home) -> int:
    """Its pid if it runs, else 0."""
    state = read_name(home, "bench") or {}
    return int(state["pid"]) if state.get("state") == "running" else 0


def _crash(home: Home) -> float:
    pid = _wait_running(home)
    began = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    took = wait_started(home) - began
    _wait_running(home, before=pid)
    return took


class _Bare:
    """The container of the bare runtime, which is its own supervisor."""

    def __init__(self, home: Home, runtime: str, bundle: Path, output: int) -> None:
        self._home = home
        self._command = [runtime, "--root", str(home.bare / "root"), "--log", str(bundle / "log")]
        self._bundle = bundle
        self._output = output

    def begin(self) -> float:
        """create and start; the moment of the first instruction."""
        create = ["create", "--bundle", str(self._bundle), "--pid-file", str(self._bundle / "pid"), "bench"]
        run_quietly([*self._command, *create], self._output)
        run_quietly([*self._command, "start", "bench"], self._output)
        return wait_started(self._home)

    def crash(self) -> float:
        """It has ended; delete, create and start."""
        pid = int((self._bundle / "pid").read_text())
        pidfd = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        # As soon as it has ended, as the agent does: what the kernel takes down after that is a load to both sides.
        select.select([pidfd], [], [])
        os.close(pidfd)
        began = time.perf_counter()
        run_quietly([*self._command, "delete", "bench"], self._output)
        return self.begin() - began

    def end(self) -> None:
        run_quietly([*self._command, "delete", "--force", "bench"], self._output)
