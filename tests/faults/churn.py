"""Hundreds of edits over real containers: what the agent holds in memory and has open, before and after."""

import os
import re
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

from attrs import frozen

from tests.faults.looks import at_rest
from tests.host.agent_process import STAYS, AgentProcess, definition

NAMES = tuple(f"churn{letter}" for letter in "abcdefgh")
AT_A_TIME = 25
"""Edits until all is waited for: those that come faster than a container can follow become one."""
PAUSES = (0.0, 0.0, 0.01, 0.05)
GROWTH = 2048
"""KiB of RSS that may be more: what one more start at a time may have needed."""
VERBS = ("replace", "update", "retune", "break", "remove", "crash", "same")


@frozen
class Held:
    """What an agent holds."""

    watches: int
    """Of inotify."""
    memory: int
    """RSS, in KiB."""


class Churn:
    """Edits the definitions of an agent's containers, again and again."""

    def __init__(self, agent: AgentProcess, seed: int) -> None:
        """agent: one that runs, with no container yet."""
        self._agent = agent
        self._open_alone = at_rest(agent)
        self._chance = Random(seed)
        self._number = 0

    def run(self, edits: int) -> Held:
        """So many edits; what the agent holds when all is as it was in the beginning. Fails where it has more open than
        an agent needs for what runs."""
        for number in range(edits):
            self._edit(self._chance.choice(NAMES))
            if number % AT_A_TIME == AT_A_TIME - 1:
                self._agent.let_it_look()
        return self._calm_down()

    def _edit(self, name: str) -> None:
        verb = self._chance.choice(VERBS)
        self._number += 1
        match verb:
            case "replace":
                self._write(name, env={"NUMBER": str(self._number)})
            case "update":
                self._write(name, resources={"memory": f"{self._chance.randint(40, 80)}M"})
            case "retune":
                self._write(name, restart={"delay": f"{self._chance.randint(1, 50)}ms"})
            case "break":
                self._agent.define(name, "nonsense = true\n")
            case "remove":
                with suppress(FileNotFoundError):
                    (self._agent.config / f"{name}.toml").unlink()
            case "crash":
                row = self._agent.rows().get(name)
                if row is not None and row["pid"] is not None:
                    with suppress(ProcessLookupError):
                        os.kill(row["pid"], signal.SIGKILL)
            case "same":
                self._write(name)

    def _write(self, name: str, **fields: object) -> None:
        self._agent.define(name, definition(STAYS, **fields))

    def _calm_down(self) -> Held:
        for name in NAMES:
            self._write(name)
        self._agent.let_it_look()
        for name in NAMES:
            self._agent.wait_row(name, lambda row: row["state"] == "running" and not row["problems"], "to run")
        for path in self._agent.config.glob("canary*.toml"):
            self._agent.remove(path.stem)
        self._agent.wait_until(lambda: sorted(self._agent.rows()) == sorted(NAMES), "these names alone")
        logs = Counter(re.sub(r"\d+", "N", self._agent.layout.log(name)) for name in NAMES)
        expected = self._open_alone + logs + Counter({"anon_inode:[pidfd]": len(NAMES)})
        # The last of what has ended is closed in its own time.
        self._agent.wait_until(lambda: at_rest(self._agent) == expected, f"these descriptors: {expected}")
        return look_at(self._agent.pid)


def look_at(pid: int) -> Held:
    """What a process holds: proc_pid_status(5), and the watches as proc_pid_fdinfo(5) tells of inotify."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    watches = 0
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):
            watches += sum(line.startswith("inotify ") for line in entry.read_text().splitlines())
    return Held(watches, int(found[1]))
