"""Order on a real runtime: what starts once others are ready, what stands down with them, and stops in reverse."""

import os
from pathlib import Path

import pytest

from tests.host.agent_process import AgentProcess, definition

pytestmark = pytest.mark.real

NOTIFIES = 'while [ ! -e /trace/go ]; do sleep 0.02; done; echo "$NAME ready" >> /trace/log; systemd-notify --ready'
STAYS = "trap 'sleep 0.2; echo \"$NAME down\" >> /trace/log; exit 0' TERM; sleep 100000 & wait"


class Trace:
    """A folder of the host that all containers write into what they do, in one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()

    def define(self, agent: AgentProcess, name: str, *, notifies: bool = False, **fields: object) -> None:
        """A container that says when it is up, and down: after a while, so that the order is none of chance."""
        up = f"{NOTIFIES}; {STAYS}" if notifies else f'echo "$NAME up" >> /trace/log; {STAYS}'
        mounts = {"/trace": {"source": str(self.folder)}}
        ready = {"ready": "notify"} if notifies else {}
        agent.define(name, definition(up, env={"NAME": name}, mounts=mounts, **ready, **fields))

    def go(self) -> None:
        """Let those that wait for it be ready."""
        (self.folder / "go").touch()

    def take(self) -> list[str]:
        """The lines that were written since it was asked last."""
        path = self.folder / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.write_text("")
        return lines


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return Trace(tmp_path / "trace")


def define_chain(agent: AgentProcess, trace: Trace) -> None:
    trace.define(agent, "db", notifies=True)
    trace.define(agent, "api", requires=["db"])
    trace.define(agent, "web", after=["api"])


def test_starts_wait_until_others_are_ready_and_a_shutdown_goes_in_reverse(
    own_agent: AgentProcess, trace: Trace
) -> None:
    define_chain(own_agent, trace)
    own_agent.start(settled=False)
    row = own_agent.wait_row("db", lambda row: row["state"] == "running", "running")
    assert not row["ready"]
    waiting = own_agent.wait_row("api", lambda row: row["waits_for"], "it waits")
    assert (waiting["state"], waiting["waits_for"]) == ("waiting", ["db"])
    told = own_agent.call("status", "api").stdout
    assert "waits for db to be ready" in told
    assert trace.take() == []
    trace.go()
    own_agent.wait_settled()
    assert {name: row["state"] for name, row in own_agent.rows().items()} == dict.fromkeys(
        ("api", "db", "web"), "running"
    )
    own_agent.wait_until(lambda: "web up" in (trace.folder / "log").read_text(), "the last to be up")
    assert trace.take() == ["db ready", "api up", "web up"]
    assert own_agent.call("shutdown").returncode == 0
    assert own_agent.wait_end() == 0
    assert trace.take() == ["web down", "api down", "db down"]


def test_what_requires_stands_down_and_a_start_brings_what_is_required(agent: AgentProcess, trace: Trace) -> None:
    trace.go()
    define_chain(agent, trace)
    before = agent.wait_state("web", "running")
    agent.wait_until(lambda: "web up" in (trace.folder / "log").read_text(), "the last to be up")
    trace.take()
    done = agent.call("stop", "db")
    assert (done.returncode, done.stdout) == (0, "db: stopped\n")
    assert trace.take() == ["api down", "db down"]
    waiting = agent.wait_state("api", "waiting")
    assert (waiting["message"], waiting["restarts"]) == ("waits for db (stopped) to be ready", 0)
    assert agent.row("web") == before, "it only comes after what stood down"
    assert "api: stopping: stopped since db is stopped" in agent.output()
    done = agent.call("start", "api")
    assert (done.returncode, sorted(done.stdout.splitlines())) == (0, ["api: running", "db: running"])
    agent.wait_until(lambda: "api up" in (trace.folder / "log").read_text(), "it is up again")
    assert trace.take() == ["db ready", "api up"]
    agent.remove("db", "api", "web")
    assert trace.take() == ["web down", "api down", "db down"]


def test_a_wrong_order_is_told_with_its_place_and_ends_nothing(agent: AgentProcess, trace: Trace) -> None:
    trace.define(agent, "one")
    trace.define(agent, "two", after=["one"])
    before = agent.wait_state("one", "running")
    agent.wait_state("two", "running")
    trace.define(agent, "one", after=["two", "tow"])
    row = agent.wait_row("one", lambda row: len(row["problems"]) == 2, "two problems")
    assert (row["pid"], os.path.exists(f"/proc/{row['pid']}")) == (before["pid"], True)
    checked = agent.call("check", str(agent.config))
    assert checked.returncode == 1
    for text in (
        "after[0]: they wait for each other: one → two → one",
        'after[1]: there is no definition of "tow"',
        "after[0]: they wait for each other: two → one → two",
    ):
        assert text in checked.stdout
    planned = agent.call("plan")
    assert (planned.returncode, "2 with problems" in planned.stdout) == (1, True)
    trace.define(agent, "one")
    agent.wait_row("two", lambda row: not row["problems"], "no problem")
    assert agent.row("one")["pid"] == before["pid"]
    agent.remove("one", "two")
