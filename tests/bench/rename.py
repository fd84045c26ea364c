"""From the rename of a definition to the application's first instruction, against create + start of the same bundle.

The application's first act is to open a FIFO that it has as a mount; the bench waits at its other end, so both sides
are timed by one clock, from outside. What ends with a boot is on a tmpfs for both, as /run is on nearly every host.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measure import Result

BOUND = 1.25
PROGRAM = ["/bin/sh", "-c", "echo > /sync/started; exec sleep 1000"]


def measure(runtime: str, rounds: int) -> list[Result]:
    """Both sides in turn, after two rounds that are not counted."""
    ours: list[float] = []
    bare: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="orchestrator-bench-") as folder,
        tempfile.TemporaryDirectory(prefix="orchestrator-bench-", dir="/dev/shm") as volatile,
    ):
        home = Path(folder)
        for name in ("run", "bare-root"):
            (Path(volatile) / name).mkdir()
            (home / name).symlink_to(Path(volatile) / name)
        (home / "sync").mkdir()
        os.mkfifo(home / "sync" / "started")
        (home / "definitions").mkdir()
        with run_agent(home, runtime):
            for number in range(rounds + 2):
                with start_by_rename(home, f"bench{number}") as took:
                    ours.append(took)
                    bundle = copy_bundle(home, f"bench{number}")
                bare.append(start_bare(home, runtime, bundle, f"bare{number}"))
                shutil.rmtree(bundle)
    for group in Path("/sys/fs/cgroup").rglob("orchestrator-bench"):
        group.rmdir()
    return [Result("rename of a definition to first instruction", ours[2:], bare[2:], BOUND)]


@contextmanager
def run_agent(home: Path, runtime: str) -> Iterator[None]:
    """The agent over ``home``/definitions, ended with all its containers."""
    command = [
        str(Path(sys.executable).with_name("orchestrator")),
        *(
            "run",
            "--config",
            str(home / "definitions"),
            "--state",
            str(home / "state"),
            "--run",
            str((home / "run").resolve()),
        ),
        *("--runtime", runtime),
    ]
    with (home / "agent.log").open("w") as log:
        agent = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: is_settled(home), agent)
            yield
        finally:
            agent.send_signal(signal.SIGTERM)
            agent.wait(60)


@contextmanager
def start_by_rename(home: Path, name: str) -> Iterator[float]:
    """Rename a definition into place; the seconds to its first instruction. It is removed and gone afterwards."""
    text = (
        f'args = {json.dumps(PROGRAM)}\nrootfs = "host"\nmounts."/sync".source = "{home}/sync"\nstop.signal = "KILL"\n'
    )
    draft, place = home / "definitions" / f".{name}", home / "definitions" / f"{name}.toml"
    draft.write_text(text)
    began = time.perf_counter()
    draft.rename(place)
    took = wait_started(home) - began
    try:
        wait_until(lambda: (read_name(home, name) or {}).get("state") == "running")
        yield took
    finally:
        place.unlink()
        wait_until(lambda: read_name(home, name) is None)


def copy_bundle(home: Path, name: str) -> Path:
    """The bundle folder that the runtime was given for a container that runs, with a cgroup of its own."""
    state = read_name(home, name)
    assert state is not None
    config = json.loads((home / "run" / "instances" / state["instance"] / "config.json").read_text())
    root = home / "bare-rootfs"
    if not root.exists():
        shutil.copytree(config["root"]["path"], root, symlinks=True)
    config["root"]["path"] = str(root)
    config["linux"]["cgroupsPath"] = f"/orchestrator-bench/{name}"
    bundle = (home / "run").resolve().parent / f"bundle-{name}"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def start_bare(home: Path, runtime: str, bundle: Path, identity: str) -> float:
    """The runtime's own create and start, one after the other; seconds to the first instruction."""
    command = [
        runtime,
        "--root",
        str((home / "bare-root").resolve()),
        "--log",
        str(bundle / "log"),
        "--log-format",
        "json",
    ]
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


def wait_started(home: Path) -> float:
    """Wait for the application at the FIFO; the moment at which it was seen."""
    with (home / "sync" / "started").open("rb"):
        return time.perf_counter()


def wait_until(condition: object, agent: "subprocess.Popen[bytes] | None" = None) -> None:
    """Look every 2 ms, outside of what is timed. Raises TimeoutError after 30 s."""
    assert callable(condition)
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline or (agent is not None and agent.poll() is not None):
            raise TimeoutError("the agent does not do what the bench waits for; see its output")
        time.sleep(0.002)


def is_settled(home: Path) -> bool:
    try:
        return bool(json.loads((home / "run" / "agent.json").read_text())["settled"])
    except FileNotFoundError:
        return False


def read_name(home: Path, name: str) -> "dict[str, str] | None":
    try:
        state: dict[str, str] = json.loads((home / "run" / "names" / f"{name}.json").read_text())
    except FileNotFoundError:
        return None
    return state
