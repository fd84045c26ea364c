"""From the rename of a definition to the application's first instruction, against create + start of the same bundle.

The application's first act is to open a FIFO that it has as a mount; the bench waits at its other end, so both sides
are timed by one clock, from outside. What ends with a boot is on a tmpfs for both, as /run is on nearly every host.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.agent import Home, make_home, read_name, run_agent, wait_until, write_definition
from tests.bench.measure import Ratio, Result
from tests.host.host_view import find_cgroups

BOUND = 1.25
GROUP = "/orchestrator-bench"
"""The control group of what the bare runtime starts."""
PROGRAM = ["/bin/sh", "-c", "echo > /sync/started; exec sleep 1000"]


def measure(runtime: str, rounds: int) -> list[Result]:
    """Both sides in turn, after two rounds that are not counted."""
    ours: list[float] = []
    bare: list[float] = []
    with make_home() as home, run_agent(home, runtime):
        for number in range(rounds + 2):
            with start_by_rename(home, f"bench{number}") as took:
                ours.append(took)
                bundle = copy_bundle(home, f"bench{number}")
            bare.append(start_bare(home, runtime, bundle, f"bare{number}"))
            shutil.rmtree(bundle)
    remove_groups()
    return [Ratio("rename of a definition to first instruction", ours[2:], bare[2:], BOUND)]


@contextmanager
def start_by_rename(home: Home, name: str) -> Iterator[float]:
    """Rename a definition into place; the seconds to its first instruction. It is removed and gone afterwards."""
    began = time.perf_counter()
    write_definition(home, name, PROGRAM)
    took = wait_started(home) - began
    try:
        wait_until(lambda: (read_name(home, name) or {}).get("state") == "running")
        yield took
    finally:
        (home.definitions / f"{name}.toml").unlink()
        wait_until(lambda: read_name(home, name) is None)


def copy_bundle(home: Home, name: str) -> Path:
    """The bundle folder that the runtime was given for a container that runs, with a cgroup of its own."""
    state = read_name(home, name)
    assert state is not None
    config = json.loads((home.run / "instances" / state["instance"] / "config.json").read_text())
    root = home.path / "bare-rootfs"
    if not root.exists():
        shutil.copytree(config["root"]["path"], root, symlinks=True)
    config["root"]["path"] = str(root)
    config["linux"]["cgroupsPath"] = f"{GROUP}/{name}"
    bundle = home.bare / f"bundle-{name}"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def start_bare(home: Home, runtime: str, bundle: Path, identity: str) -> float:
    """The runtime's own create and start, one after the other; seconds to the first instruction."""
    command = [runtime, "--root", str(home.bare / "root"), "--log", str(bundle / "log"), "--log-format", "json"]
    with (bundle / "output").open("w") as output:
        began = time.perf_counter()
        run_quietly(
            [*command, "create", "--bundle", str(bundle), "--pid-file", str(bundle / "pid"), identity], output.fileno()
        )
        run_quietly([*command, "start", identity], output.fileno())
        took = wait_started(home) - began
        run_quietly([*command, "delete", "--force", identity], output.fileno())
    return took


def run_quietly(command: Sequence[str], output: int) -> None:
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True)


def wait_started(home: Home) -> float:
    """Wait for the application at the FIFO; the moment at which it was seen."""
    with home.sync.open("rb") as pipe:
        moment = time.perf_counter()
        pipe.read()  # or its word might be its death: SIGPIPE
    return moment


def remove_groups() -> None:
    """Remove the control groups of what the bare runtime started, which it leaves the parent of."""
    for group in find_cgroups(GROUP):
        group.rmdir()
