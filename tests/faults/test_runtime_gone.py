"""The runtime's program is away (as in an upgrade), not to be run, or hangs: what runs goes on, what has to wait says
why, and all is done by itself when it is back."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.settings import encode_settings
from orchestrator.model.settings import Settings
from orchestrator.system.states import read_start_time
from tests.host.agent_process import AgentProcess, Row, definition, life_of
from tests.host.host_view import find_cgroups, is_running, list_pids

pytestmark = pytest.mark.real

RUNTIME = "runc"
QUICK = {"delay": "50ms", "max_delay": "200ms", "jitter": 0.0}
HARM = {
    "No such file or directory": "moved away",
    "Permission denied": "not to be executed",
    "Exec format error": "half written",
}
DEADLINE = 1.0
HUNG = "987654"
"""The seconds that a runtime sleeps for which hangs: so long as nothing else here does."""
IMPATIENT = f"""
import sys
from orchestrator.agent import main
from orchestrator.system import runtime

for name in ("CREATE", "START", "UPDATE", "DELETE"):
    setattr(runtime, name + "_DEADLINE", {DEADLINE})
sys.exit(main(sys.argv[1:]))
"""
"""An agent that gives its runtime less time."""


class UpgradedAgent(AgentProcess):
    """An agent with a runtime of its own, that a test may harm."""

    def __init__(self, base: Path) -> None:
        super().__init__(base, RUNTIME)
        self.real, self.program = self.program, f"{base}/runtime"
        self._away = f"{base}/away"
        shutil.copy(self.real, self.program)

    def harm(self, why: str) -> None:
        """From now on running it fails so."""
        os.rename(self.program, self._away)
        if why != "No such file or directory":
            Path(self.program).write_text("half")
            Path(self.program).chmod(0o755 if why == "Exec format error" else 0o644)

    def mend(self) -> None:
        os.rename(self._away, self.program)


class HangingAgent(AgentProcess):
    """An agent whose runtime hangs while a test wants it to."""

    def __init__(self, base: Path) -> None:
        super().__init__(base, RUNTIME)
        self.hangs = base / "hangs"
        script = f'#!/bin/sh\n[ ! -e {self.hangs} ] || sleep {HUNG}\nexec {self.program} "$@"\n'
        self.program = f"{base}/runtime"
        Path(self.program).write_text(script)
        Path(self.program).chmod(0o755)

    def command(self, *options: str) -> list[str]:
        settings = Settings(
            config=str(self.config), state=str(self.state), run=str(self.run), runtime=self.program, leave=False
        )
        return [sys.executable, "-c", IMPATIENT, encode_settings(settings)]


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[UpgradedAgent]:
    with UpgradedAgent(tmp_path) as agent:
        yield agent


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[HangingAgent]:
    with HangingAgent(tmp_path) as agent:
        yield agent


def start_all(agent: AgentProcess) -> dict[str, Row]:
    """Each is another case of what happens to a container meanwhile."""
    texts = dict.fromkeys(("kept", "edited", "stopped"), definition())
    texts |= {"crashing": definition(restart=QUICK), "limited": definition(resources={"memory": "64M"})}
    for name, text in texts.items():
        agent.define(name, text)
    agent.start()
    return {name: agent.wait_state(name, "running") for name in texts}


def hung_commands() -> list[int]:
    """The processes of a runtime that hangs."""
    found = []
    for pid in list_pids():
        path = Path(f"/proc/{pid}/cmdline")
        if path.exists() and HUNG.encode() in path.read_bytes():
            found.append(pid)
    return found


@pytest.mark.parametrize("why", HARM, ids=HARM.values())
def test_without_its_program_what_runs_goes_on(upgraded: UpgradedAgent, why: str) -> None:
    agent, before = upgraded, start_all(upgraded)
    message = f"cannot run {agent.program}: {why}"
    agent.harm(why)
    os.kill(before["crashing"]["pid"], signal.SIGKILL)
    agent.define("limited", definition(resources={"memory": "65M"}))
    agent.define("late", definition(restart=QUICK))
    agent.wait_row("crashing", lambda row: row["state"] == "backoff" and row["message"] == message, message)
    agent.wait_row("late", lambda row: row["state"] == "backoff" and row["message"] == message, message)
    agent.wait_row("limited", lambda row: row["message"] == f"cannot update: {message}", message)
    if why != "Exec format error":  # what is there and may be executed is not known to be useless before it is tried
        agent.define("edited", definition(env={"NEW": "1"}))
        row = agent.wait_row("edited", lambda row: row["message"], "a refusal")
        assert (row["message"], row["pid"]) == (f"cannot replace: {message}", before["edited"]["pid"])
    assert agent.call("stop", "stopped").returncode == 0
    assert agent.row("stopped")["state"] == "stopped"
    assert not find_cgroups(f"{agent.cgroup_root}/{before['stopped']['instance']}"), (
        "it is gone whole, without a runtime"
    )
    shown = agent.call("status")
    assert message in shown.stdout
    assert life_of(agent.row("kept")) == life_of(before["kept"])
    assert agent.row("limited")["pid"] == before["limited"]["pid"]

    agent.mend()
    for name in ("crashing", "late"):
        agent.wait_state(name, "running")
    agent.wait_row("limited", lambda row: not row["message"], "its limit")
    if why != "Exec format error":
        agent.wait_replaced("edited", before["edited"])
    assert agent.call("start", "stopped").returncode == 0
    assert life_of(agent.row("kept")) == life_of(before["kept"])
    assert agent.end() == 0
    assert not find_cgroups(agent.cgroup_root)
    assert "Traceback" not in agent.output()


@pytest.mark.parametrize("why", HARM, ids=HARM.values())
def test_an_agent_that_starts_without_its_runtime_goes_on_with_what_runs(upgraded: UpgradedAgent, why: str) -> None:
    agent, before = upgraded, start_all(upgraded)
    agent.kill()
    agent.harm(why)
    agent.start()
    pids = {name: row["pid"] for name, row in before.items()}
    assert {name: row["pid"] for name, row in agent.rows().items()} == pids
    trouble = f"the OCI runtime does not work, and what runs goes on: {agent.program}: "
    agent.wait_until(lambda: trouble in agent.call("status").stderr, "the trouble to be told")
    assert agent.output().count(trouble) == 1
    assert agent.call("stop", "stopped").returncode == 0
    agent.define("late", definition(restart=QUICK))
    agent.wait_row("late", lambda row: row["state"] == "backoff" and why in row["message"], why)
    os.kill(before["crashing"]["pid"], signal.SIGKILL)
    agent.wait_state("crashing", "backoff")

    agent.mend()
    agent.wait_until(lambda: "the OCI runtime works again" in agent.output(), "the runtime to be found again")
    assert trouble not in agent.call("status").stderr
    for name in ("late", "crashing"):
        agent.wait_state(name, "running")
    assert {name: agent.row(name)["pid"] for name in ("kept", "edited", "limited")} == {
        name: pids[name] for name in ("kept", "edited", "limited")
    }
    assert agent.end() == 0
    assert not find_cgroups(agent.cgroup_root)


def test_an_agent_takes_over_nothing_before_its_runtime_says_what_runs(upgraded: UpgradedAgent) -> None:
    agent = upgraded
    agent.start()
    rows = {name: agent.start_container(name) for name in ("starting", "kept")}
    agent.kill()
    path = Path(agent.layout.instance_state(rows["starting"]["instance"]))
    path.write_text(path.read_text().replace('"step":"running"', '"step":"starting"'))
    agent.harm("No such file or directory")
    agent.start(settled=False)
    trouble = "nothing is taken over before that"
    agent.wait_until(lambda: trouble in agent.call("status").stderr, "the trouble to be told")
    agent.mend()
    agent.wait_settled()
    assert {name: row["pid"] for name, row in agent.rows().items()} == {name: row["pid"] for name, row in rows.items()}
    agent.kill()
    path.write_text(path.read_text().replace('"step":"running"', '"step":"starting"'))
    agent.harm("No such file or directory")
    began = {row["pid"]: read_start_time(row["pid"]) for row in rows.values()}
    agent.start(settled=False)
    agent.wait_until(lambda: agent.output().count(trouble) == 2, "the trouble to be told")
    assert agent.end() == 0, "it can be ended meanwhile"
    assert all(is_running(pid, start_time) for pid, start_time in began.items())
    agent.mend()
    agent.start()
    assert agent.end() == 0
    assert not find_cgroups(agent.cgroup_root)


def test_an_agent_with_nothing_to_take_over_does_not_begin_without_its_runtime(upgraded: UpgradedAgent) -> None:
    upgraded.harm("No such file or directory")
    started = upgraded.run_here()
    assert started.returncode == 1
    (line,) = started.stderr.splitlines()
    assert upgraded.program in line


def test_a_runtime_that_hangs_costs_nothing_that_runs(hanging: HangingAgent) -> None:
    agent, before = hanging, start_all(hanging)
    agent.hangs.touch()
    os.kill(before["crashing"]["pid"], signal.SIGKILL)
    late = f"took longer than {DEADLINE:g} s"
    agent.wait_row("crashing", lambda row: row["state"] == "backoff" and late in row["message"], late)
    agent.define("edited", definition(env={"NEW": "1"}))
    row = agent.wait_row("edited", lambda row: row["message"], "a refusal")
    assert row["message"] == f"cannot replace: {agent.program} has not answered in time just now"
    assert agent.call("stop", "stopped").returncode == 0
    assert agent.row("stopped")["state"] == "stopped"
    assert {name: agent.row(name)["pid"] for name in ("kept", "edited", "limited")} == {
        name: before[name]["pid"] for name in ("kept", "edited", "limited")
    }
    agent.wait_until(lambda: len(hung_commands()) <= 2 * (os.cpu_count() or 1), "what hung to be ended")

    agent.hangs.unlink()
    agent.wait_state("crashing", "running")
    agent.wait_replaced("edited", before["edited"])
    agent.wait_until(lambda: not hung_commands(), "what hung to be ended")
    assert life_of(agent.row("kept")) == life_of(before["kept"])
    assert agent.end() == 0
    assert not find_cgroups(agent.cgroup_root)
