"""The agent as a process of its own, on a real runtime: started, watched through what it tells, ended.

What an instance may leave behind on the host is looked at by `tests.host.host_view`; the cases are in the test files.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from orchestrator.core.status import make_rows, row_to_json
from orchestrator.model.layout import Layout
from orchestrator.system.states import find_living, read_agent, read_names
from tests.host.host_view import clear_cgroups, list_descriptors

RUNTIMES = ("runc", "crun")
CRUN_WRAPPER = ("unshare", "-m", "sh", "-c", 'umount -l /sys/fs/cgroup/unified; exec "$0" "$@"')
"""crun 1.8 refuses a host with both versions of cgroups: hide the second one from it."""

PATIENCE = 60.0
"""Seconds after which a wait has failed. No measure of anything: the machine may be busy with other things."""
STAYS = "trap 'exit 0' TERM INT; sleep 100000 & wait"
"""A shell that does nothing until it is asked to end."""

Row = dict[str, Any]
T = TypeVar("T")


def find_program(name: str) -> str:
    """An absolute path; a test that needs the program fails where it is missing."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert path is not None, f"{name} is not installed: apt-get install {name}"
    return path


def orchestrator() -> str:
    """The console script of the installation that the tests run in."""
    return str(Path(sys.executable).with_name("orchestrator"))


def wrapper_for(runtime: str) -> tuple[str, ...]:
    """What must stand before a command that calls ``runtime``."""
    return CRUN_WRAPPER if runtime == "crun" and Path("/sys/fs/cgroup/unified").is_dir() else ()


def to_toml(value: object) -> str:
    """A value of a definition, tables inline."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {to_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return json.dumps(value)


def definition(command: str | Sequence[str] = STAYS, **fields: object) -> str:
    """The text of a definition: a script of sh, or arguments; in a `host` rootfs unless ``fields`` name another."""
    args = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
    return "".join(f"{key} = {to_toml(value)}\n" for key, value in {"args": args, "rootfs": "host", **fields}.items())


def life_of(row: Row) -> Row:
    """What a row tells of a life, without what it tells of the edit that is live."""
    return {key: value for key, value in row.items() if key not in ("edit", "fields")}


class AgentProcess:
    """An agent with its own directories below ``base``. A context manager: at its end nothing of it runs."""

    def __init__(self, base: Path, runtime: str) -> None:
        self.runtime = runtime
        self.base = base
        self.program = find_program(runtime)
        """What is given as ``--runtime``."""
        self.orchestrator = orchestrator()
        """The console script."""
        self.config = base / "config"
        self.state = base / "state"
        self.run = base / "run"
        self.config.mkdir()
        self.exit_policy = "stop"
        """What becomes of the containers when a signal ends it; the default of `run` is "leave"."""
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")}
        self.layout = Layout(str(self.state), str(self.run))
        self._output = base / "agent.log"
        self._looks = 0
        self._process: subprocess.Popen[bytes] | None = None

    # The process

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the agent was not started"
        return self._process

    @property
    def pid(self) -> int:
        """The agent's own: each command before it on its command line has exec'd the next."""
        return self.process.pid

    def command(self, *options: str) -> list[str]:
        """The command line of `run` with this agent's directories."""
        directories = ("--config", str(self.config), "--state", str(self.state), "--run", str(self.run))
        policy = ("--exit-policy", self.exit_policy)
        words = (self.orchestrator, "run", "--runtime", self.program, *policy, *directories, *options)
        return [*wrapper_for(self.runtime), *words]

    def start(self, *, settled: bool = True) -> Self:
        """Start it, and wait until its first plan has settled unless told not to."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environ
            )
        if settled:
            self.wait_settled()
        return self

    def wait_settled(self) -> None:
        def look() -> bool:
            agent = read_agent(self.layout)
            return getattr(agent, "pid", None) == self.pid and getattr(agent, "settled", False)

        self.wait_until(look, "the first plan to settle")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end and return its exit code."""
        self.process.send_signal(number)
        return self.wait_end()

    def wait_end(self) -> int:
        """Wait for its end and return its exit code."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the agent does not end\n{self.describe()}") from None

    def kill(self) -> None:
        """End it as the kernel would: at once, without a word."""
        self.process.kill()
        self.process.wait()

    def run_here(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run an agent to its end, beside the one that was started if one was."""
        return subprocess.run(
            self.command(*options), env=self.environ, capture_output=True, text=True, check=False, timeout=PATIENCE
        )

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command of the program, with this agent's directories in its environment."""
        environ = {**self.environ, "ORCHESTRATOR_RUN": str(self.run), "ORCHESTRATOR_STATE": str(self.state)}
        return subprocess.run(
            (self.orchestrator, *arguments), env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE
        )

    # Its definitions

    def define(self, name: str, text: str) -> None:
        """Put a definition in place by rename."""
        new = self.config / f".{name}.new"
        new.write_text(text)
        new.rename(self.config / f"{name}.toml")

    def remove(self, *names: str) -> None:
        """Remove definitions, and wait until nothing is told of the containers any more."""
        for name in names:
            (self.config / f"{name}.toml").unlink()
        self.wait_until(lambda: not self.rows().keys() & set(names), f"{', '.join(names)} to be gone")

    # What it tells

    def rows(self) -> dict[str, Row]:
        """What `status --json` says, by name."""
        states, agent = read_names(self.layout).states, self._process is not None and self._process.poll() is None
        return {row.name: row_to_json(row) for row in make_rows(states, find_living(states), agent)}

    def row(self, name: str) -> Row:
        return self.rows()[name]

    def output(self) -> str:
        """What the agent itself has written so far."""
        return self._output.read_text() if self._output.exists() else ""

    def log(self, name: str) -> str:
        """What the application has written so far."""
        path = Path(self.layout.log(name))
        return path.read_text() if path.exists() else ""

    @property
    def cgroup_root(self) -> str:
        """The control group that those of all its instances are in."""
        return self.layout.cgroup_root

    def cgroup(self, name: str) -> str:
        """The path of its instance's control group, below the mount point of each hierarchy."""
        path = Path(self.layout.instance_state(self.row(name)["instance"]))
        return str(json.loads(path.read_text())["cgroups_path"])

    # Waiting

    def wait_until(self, look: Callable[[], T], what: str) -> T:
        """Look again and again until there is something to see, and return that."""
        deadline = time.monotonic() + PATIENCE
        while not (seen := look()):
            assert time.monotonic() < deadline, f"waited in vain for {what}\n{self.describe()}"
            time.sleep(0.005)
        return seen

    def wait_row(self, name: str, fits: Callable[[Row], object], what: str) -> Row:
        """Wait until the container's row fits."""

        def look() -> Row | None:
            row = self.rows().get(name)
            return row if row is not None and fits(row) else None

        found = self.wait_until(look, f"{name}: {what}")
        assert found is not None
        return found

    def wait_state(self, name: str, *states: str) -> Row:
        """Wait until the container is in one of these states."""
        return self.wait_row(name, lambda row: row["state"] in states, f"state {' or '.join(states)}")

    def wait_log(self, name: str, text: str) -> str:
        """Wait until the application's log holds a text, and return all of it."""
        self.wait_until(lambda: text in self.log(name), f"{text!r} in the log of {name}")
        return self.log(name)

    def wait_replaced(self, name: str, before: Row) -> Row:
        """Wait until another instance of the container runs."""
        return self.wait_row(
            name, lambda row: row["state"] == "running" and row["instance"] != before["instance"], "a new instance"
        )

    def start_container(self, name: str, text: str | None = None) -> Row:
        """Define a container and wait until it runs."""
        self.define(name, definition() if text is None else text)
        return self.wait_state(name, "running")

    def let_it_look(self) -> None:
        """Wait until the agent has acted on every edit so far: a container that is new after them has come up."""
        self._looks += 1
        self.define(f"canary{self._looks}", definition(["/bin/true"], type="oneshot"))
        self.wait_state(f"canary{self._looks}", "completed")

    def run_to_end(self, name: str, command: str | Sequence[str], **fields: object) -> str:
        """Run a oneshot, and return what it wrote."""
        self.define(name, definition(command, type="oneshot", restart={"on_failure": "stop"}, **fields))
        row = self.wait_state(name, "completed", "failed", "invalid")
        assert row["state"] == "completed", f"{name}\n{self.describe()}"
        return self.log(name)

    def describe(self) -> str:
        """All that helps to understand why a wait was in vain."""
        logs = "".join(f"--- {path}\n{path.read_text()[-1000:]}\n" for path in sorted(self.state.glob("logs/*.log")))
        rows = json.dumps(self.rows(), indent=1)
        running = self._process is not None and self._process.poll() is None
        files = "\n".join(list_descriptors(self.pid)) if running else "it does not run"
        return f"--- agent\n{self.output()[-4000:]}\n--- its descriptors\n{files}\n--- status\n{rows}\n{logs}"

    # The end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE / 2)
            except subprocess.TimeoutExpired:
                self.kill()
        clear_cgroups(self.layout)
        shutil.rmtree(self.state / "logs", ignore_errors=True)  # some are large
