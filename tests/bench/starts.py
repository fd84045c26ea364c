"""The start of 100 containers at once, against xargs -P2 over the bare runtime's create and start of the same bundles:
from the word to the hundredth application's first instruction."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.bench.agent import Home, make_home, read_name, run_agent, wait_until, write_definition
from tests.bench.measure import Ratio, Result
from tests.bench.rename import PROGRAM, copy_bundle, remove_groups

BOUND = 1.15
CONTAINERS = 100


def measure(runtime: str, rounds: int) -> list[Result]:
    """Both sides in turn, each with the other's containers gone."""
    ours: list[float] = []
    bare: list[float] = []
    with make_home() as home, run_agent(home, runtime):
        for _ in range(rounds):
            ours.append(_start_ours(home))
            bundles = [copy_bundle(home, f"bench{number}") for number in range(CONTAINERS)]
            for file in home.definitions.iterdir():
                file.unlink()
            wait_until(lambda: not any((home.run / "names").iterdir()))
            bare.append(_start_bare(home, runtime, bundles))
    return [Ratio("start of 100 containers", ours, bare, BOUND, "xargs -P2")]


def _start_ours(home: Home) -> float:
    """The definitions come into the directory one by one, as a deployment writes them."""
    with _Gathering(home) as gathering:
        for number in range(CONTAINERS):
            write_definition(home, f"bench{number}", PROGRAM)
        took = gathering.wait()
    wait_until(
        lambda: all((read_name(home, f"bench{each}") or {}).get("state") == "running" for each in range(CONTAINERS))
    )
    return took


def _start_bare(home: Home, runtime: str, bundles: list[Path]) -> float:
    command = f"{runtime} --root {home.bare}/root --log $0/log --log-format json"
    script = f"{command} create --bundle $0 --pid-file $0/pid ${{0##*/}} && exec {command} start ${{0##*/}}"
    with (home.bare / "output").open("w") as output:
        with _Gathering(home) as gathering:
            words = "".join(f"{bundle}\n" for bundle in bundles)
            xargs = ["xargs", "-P2", "-n1", "sh", "-c", script]
            subprocess.run(xargs, input=words, text=True, stdout=output, stderr=output, check=True)
            took = gathering.wait()
        for bundle in bundles:
            remove = [runtime, "--root", f"{home.bare}/root", "delete", "--force", bundle.name]
            subprocess.run(remove, stdout=output, stderr=output, check=True)
            shutil.rmtree(bundle)
    remove_groups()
    return took


class _Gathering:
    """The other end of the FIFO: applications do not wait for it, and their first instructions are counted."""

    def __init__(self, home: Home) -> None:
        self._pipe = os.open(home.sync, os.O_RDWR)
        self._began = time.perf_counter()

    def __enter__(self) -> "_Gathering":
        return self

    def wait(self) -> float:
        """Wait for all of them; the seconds since the beginning."""
        count = 0
        while count < CONTAINERS:
            count += len(os.read(self._pipe, 4096))
        return time.perf_counter() - self._began

    def __exit__(self, *_: object) -> None:
        os.close(self._pipe)
