"""The agent of a bench: started over folders of its own, looked at through its files, ended. Files that end with a boot
are on a tmpfs, as /run is on nearly every host."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

PATIENCE = 180.0
"""Seconds after which a bench has failed."""


@frozen
class Home:
    """The folders of one bench. ``run`` and ``bare`` are on a tmpfs."""

    path: Path
    volatile: Path

    @property
    def definitions(self) -> Path:
        return self.path / "definitions"

    @property
    def state(self) -> Path:
        return self.path / "state"

    @property
    def run(self) -> Path:
        return self.volatile / "run"

    @property
    def bare(self) -> Path:
        """The ``--root`` of the bare runtime, and its bundles."""
        return self.volatile / "bare"

    @property
    def sync(self) -> Path:
        """What applications open as their first act: a FIFO, in a folder that they have as a mount."""
        return self.path / "sync" / "started"


@contextmanager
def make_home() -> Iterator[Home]:
    """Folders that are gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="orchestrator-bench-") as folder,
        tempfile.TemporaryDirectory(prefix="orchestrator-bench-", dir="/dev/shm") as volatile,
    ):
        home = Home(Path(folder), Path(volatile))
        for made in (home.definitions, home.sync.parent, home.run, home.bare):
            made.mkdir()
        os.mkfifo(home.sync)
        yield home


def program(*arguments: str) -> list[str]:
    """The console script of the installation that the bench runs in, with arguments."""
    return [str(Path(sys.executable).with_name("orchestrator")), *arguments]


@contextmanager
def run_agent(home: Home, runtime: str) -> Iterator[int]:
    """The agent over the home's definitions, settled; its pid. It is ended with all its containers."""
    agent = begin_agent(home, runtime)
    try:
        wait_until(lambda: is_settled(home, agent.pid), agent)
        yield agent.pid
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(PATIENCE)


def begin_agent(home: Home, runtime: str) -> "subprocess.Popen[bytes]":
    """The agent over the home's definitions, just begun; SIGTERM ends it with all its containers."""
    directories = ("--config", str(home.definitions), "--state", str(home.state), "--run", str(home.run))
    with (home.path / "agent.log").open("a") as log:
        return subprocess.Popen(
            program("run", *directories, "--runtime", runtime, "--exit-policy", "stop"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def write_definition(home: Home, name: str, args: Sequence[str], more: str = "") -> None:
    """Put a definition in place by rename."""
    draft = home.definitions / f".{name}"
    text = f'args = {json.dumps(list(args))}\nrootfs = "host"\nmounts."/sync".source = "{home.sync.parent}"\n'
    draft.write_text(f'{text}stop.signal = "KILL"\n{more}')
    draft.rename(home.definitions / f"{name}.toml")


def wait_until(condition: Callable[[], object], agent: "subprocess.Popen[bytes] | None" = None) -> None:
    """Look every 2 ms, outside of what is timed. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline or (agent is not None and agent.poll() is not None):
            raise TimeoutError("the agent does not do what the bench waits for; see its output")
        time.sleep(0.002)


def is_settled(home: Home, pid: int) -> bool:
    """Whether the agent ``pid`` has seen to all that was there when it started."""
    try:
        agent = json.loads((home.run / "agent.json").read_text())
    except FileNotFoundError:
        return False
    return bool(agent["settled"]) and agent["pid"] == pid


def read_name(home: Home, name: str) -> "dict[str, str] | None":
    """The state of a container, or None if there is none."""
    try:
        state: dict[str, str] = json.loads((home.run / "names" / f"{name}.json").read_text())
    except FileNotFoundError:
        return None
    return state
