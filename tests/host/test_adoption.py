"""An agent after one that was killed, or that ended and left its containers alone: real runtimes, real kills."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from orchestrator.system.states import read_start_time
from tests.host.agent_process import PATIENCE, STAYS, AgentProcess, Row, definition, life_of, orchestrator
from tests.host.host_view import find_cgroups, is_running, memory_limits, read_process_state
from tests.host.left_view import count_events, events_since, expect_instances

pytestmark = pytest.mark.real

ENDS_AS_ASKED = "trap 'exit 7' TERM; echo up; while :; do sleep 100000 & wait; done"
NEVER_AGAIN = {"delay": "1h", "max_delay": "1h", "jitter": 0.0}


def crash(row: Row) -> None:
    os.kill(row["pid"], signal.SIGKILL)


def wait_reaped(agent: AgentProcess, row: Row) -> None:
    """Wait until nothing is left of its process that could still tell how it ended."""
    agent.wait_until(lambda: read_process_state(row["pid"]) is None, "its end")


def test_what_runs_goes_on_under_agent_after_agent(leaving: AgentProcess, tmp_path: Path) -> None:
    variables = tmp_path / "variables"
    variables.write_text("FROM_FILE=1\n")
    leaving.define("plain", definition())
    leaving.define(
        "writes",
        definition(
            "echo $FROM_FILE > /tmp/mine; trap 'exit 0' TERM; sleep 100000 & wait",
            readonly=False,
            env_files=[str(variables)],
        ),
    )
    leaving.start()
    crash(leaving.wait_state("plain", "running"))
    before = {"plain": leaving.wait_row("plain", lambda row: row["restarts"] == 1 and row["ready"], "a restart")}
    before["writes"] = leaving.row("writes")
    began = {name: read_start_time(row["pid"]) for name, row in before.items()}
    known = count_events(leaving)

    leaving.kill()
    assert leaving.rows().keys() == before.keys(), "status is never empty"
    for ended in ("killed", "asked to end", "killed at its start", "killed again"):
        match ended:
            case "asked to end":
                leaving.start()
                assert leaving.end() == 0
                assert "SIGTERM: ending; the containers go on" in leaving.output()
            case "killed at its start":
                leaving.start(settled=False)
                leaving.kill()
            case _:
                leaving.start()
                leaving.kill()
        assert leaving.rows().keys() == before.keys()
        assert all(is_running(row["pid"], began[name]) for name, row in before.items())
    leaving.start()
    assert leaving.rows() == before
    assert events_since(leaving, known) == []
    expect_instances(leaving, *before.values())
    done = leaving.call("exec", "writes", "cat", "/tmp/mine")
    assert (done.returncode, done.stdout) == (0, "1\n")

    # An edit of the file of variables is noticed, and what comes after it is made of it.
    variables.write_text("FROM_FILE=2\n")
    leaving.wait_replaced("writes", before["writes"])
    leaving.wait_until(lambda: leaving.call("exec", "writes", "cat", "/tmp/mine").stdout == "2\n", "the new variable")
    assert leaving.row("plain") == before["plain"]
    assert leaving.call("shutdown").returncode == 0
    assert leaving.wait_end() == 0
    assert not any(is_running(row["pid"], began[name]) for name, row in before.items())
    assert not find_cgroups(leaving.cgroup_root)


def test_ends_are_known_where_an_agent_saw_them(leaving: AgentProcess) -> None:
    leaving.define("seen", definition(ENDS_AS_ASKED, restart=NEVER_AGAIN))
    leaving.define("unseen", definition(ENDS_AS_ASKED))
    leaving.define("waits", definition("exit 3", restart=NEVER_AGAIN))
    leaving.define("done", definition("echo ran", type="oneshot"))
    leaving.start()
    rows = {name: leaving.wait_state(name, "running") for name in ("seen", "unseen")}
    for name in rows:
        leaving.wait_log(name, "up")
    waits, completed = leaving.wait_state("waits", "backoff"), leaving.wait_state("done", "completed")
    known = count_events(leaving)
    leaving.kill()
    os.kill(rows["unseen"]["pid"], signal.SIGTERM)
    wait_reaped(leaving, rows["unseen"])
    leaving.start()

    # It ended while nobody held it: that it did is all that is known, and it is started again.
    again = leaving.wait_row("unseen", lambda row: row["state"] == "running" and row["restarts"] == 1, "a restart")
    assert again["instance"] != rows["unseen"]["instance"]
    assert (again["last_exit"]["code"], again["last_exit"]["signal"]) == (None, None)
    # Of what rests and what waits nothing has changed: no retry comes sooner, and what is done is not done twice.
    assert life_of(leaving.row("waits")) == life_of(waits)
    assert life_of(leaving.row("done")) == life_of(completed)
    assert leaving.log("done") == "ran\n"
    # The agent is not its parent, and yet is told by the kernel how it ended.
    os.kill(rows["seen"]["pid"], signal.SIGTERM)
    ended = leaving.wait_state("seen", "backoff")
    assert (ended["last_exit"]["code"], ended["last_exit"]["signal"]) == (7, None)

    def told() -> dict[str, list[str]]:
        kinds = dict[str, list[str]]()
        for record in events_since(leaving, known):
            kinds.setdefault(record["name"], []).append(record["kind"])
        return kinds

    # A state is written before the event log is.
    leaving.wait_until(lambda: told().get("seen", [])[-1:] == ["retry"], "the last event")
    assert told() == {"unseen": ["exited", "retry", "started"], "seen": ["exited", "retry"]}
    expect_instances(leaving, again)
    assert leaving.call("shutdown").returncode == 0
    assert leaving.wait_end() == 0


def test_what_is_adopted_is_operated_as_any_other(leaving: AgentProcess) -> None:
    text = "echo hello; trap 'exit 0' TERM; while read line; do echo $line; done < /dev/null; sleep 100000 & wait"
    leaving.start()
    before = leaving.start_container("mine", definition(text))
    held = leaving.start_container("held", definition())
    leaving.wait_log("mine", "hello")
    assert leaving.call("stop", "held").returncode == 0
    config = leaving.call("show", "mine", "--config")
    assert config.returncode == 0, config
    leaving.kill()
    leaving.start()
    assert leaving.row("mine") == before
    assert (leaving.row("held")["state"], leaving.row("held")["held"]) == ("stopped", True)
    assert leaving.call("show", "mine", "--config").stdout == config.stdout
    done = leaving.call("exec", "mine", "--", "sh", "-c", "echo inside; exit 5")
    assert (done.returncode, done.stdout) == (5, "inside\n")
    follower = subprocess.Popen(
        (orchestrator(), "logs", "-f", "-n", "1", "--state", str(leaving.state), "mine"), stdout=subprocess.PIPE
    )
    with follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == b"hello\n"
        leaving.call("exec", "mine", "--", "sh", "-c", "echo from exec >> /proc/1/fd/1")
        assert follower.stdout.readline() == b"from exec\n"
        follower.terminate()
        follower.wait(PATIENCE)
    # A limit is changed live, and what does not concern the process touches it as little as before.
    leaving.define("mine", definition(text, resources={"memory": "64M"}))
    leaving.wait_until(lambda: 64 * 2**20 in memory_limits(leaving.cgroup("mine")), "the limit")
    assert leaving.row("mine")["pid"] == before["pid"]
    leaving.kill()
    leaving.define("mine", definition(text, resources={"memory": "32M"}, stop={"timeout": "5s"}))
    leaving.start()
    leaving.wait_until(lambda: 32 * 2**20 in memory_limits(leaving.cgroup("mine")), "the limit of the meantime")
    assert leaving.row("mine")["pid"] == before["pid"]

    assert leaving.call("start", "held").returncode == 0
    assert leaving.row("held")["instance"] != held["instance"]
    assert leaving.call("restart", "mine").returncode == 0
    after = leaving.row("mine")
    assert (after["state"], after["restarts"]) == ("running", 0)
    assert after["instance"] != before["instance"]
    leaving.kill()
    leaving.start()
    assert leaving.call("stop", "mine").returncode == 0
    assert not os.path.exists(f"/proc/{after['pid']}")
    expect_instances(leaving, leaving.row("held"))
    assert leaving.call("shutdown").returncode == 0
    assert leaving.wait_end() == 0


def test_edits_of_the_meantime_are_made(leaving: AgentProcess) -> None:
    names = ("kept", "edited", "broken", "removed")
    leaving.start()
    before = {name: leaving.start_container(name, definition(STAYS)) for name in names}
    leaving.kill()
    leaving.define("edited", definition(STAYS, env={"NEW": "1"}))
    leaving.define("broken", "args = 3\n")
    (leaving.config / "removed.toml").unlink()
    leaving.define("added", definition(STAYS))
    known = count_events(leaving)
    leaving.start()
    leaving.wait_replaced("edited", before["edited"])
    leaving.wait_state("added", "running")
    leaving.wait_until(lambda: "removed" not in leaving.rows(), "removed to be gone")
    assert leaving.row("kept") == before["kept"]
    broken = leaving.row("broken")
    assert (broken["pid"], broken["instance"]) == (before["broken"]["pid"], before["broken"]["instance"])
    assert broken["problems"]
    leaving.wait_until(
        lambda: ("removed", "removed") in [(each["name"], each["kind"]) for each in events_since(leaving, known)],
        "the event of its removal",
    )
    assert "kept" not in {record["name"] for record in events_since(leaving, known)}
    expect_instances(leaving, *leaving.rows().values())
    leaving.define("broken", definition(STAYS))
    leaving.wait_row("broken", lambda row: not row["problems"], "it is mended")
    assert leaving.row("broken")["pid"] == before["broken"]["pid"]
    assert leaving.call("shutdown").returncode == 0
    assert leaving.wait_end() == 0


def test_a_stop_that_was_under_way_is_finished(leaving: AgentProcess) -> None:
    leaving.start()
    slow = "trap 'echo asked' TERM; echo up; while :; do sleep 100000 & wait; done"
    row = leaving.start_container("slow", definition(slow, stop={"timeout": "3s"}))
    leaving.wait_log("slow", "up")
    began = read_start_time(row["pid"])
    stop = subprocess.Popen(
        (orchestrator(), "stop", "--run", str(leaving.run), "slow"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with stop:
        leaving.wait_log("slow", "asked")
        leaving.kill()
        stop.communicate(timeout=PATIENCE)
    assert is_running(row["pid"], began)
    leaving.start(settled=False)
    after = leaving.wait_state("slow", "stopped")
    assert after["held"]
    assert after["last_exit"]["signal"] == signal.SIGKILL
    expect_instances(leaving)
    leaving.wait_settled()
    assert leaving.end() == 0


def test_a_directory_that_is_away_at_the_start_stops_nothing(leaving: AgentProcess) -> None:
    leaving.start()
    rows = {name: leaving.start_container(name) for name in ("one", "two")}
    leaving.kill()
    leaving.config.rename(leaving.base / "away")
    leaving.start()
    assert {name: life_of(row) for name, row in leaving.rows().items()} == {
        name: life_of(row) for name, row in rows.items()
    }
    crash(rows["two"])
    waiting = leaving.wait_state("two", "waiting")
    assert waiting["message"] == "waits for its definition, which cannot be read"
    (leaving.base / "away").rename(leaving.config)
    leaving.wait_replaced("two", rows["two"])
    assert leaving.row("one")["pid"] == rows["one"]["pid"]
    assert leaving.call("shutdown").returncode == 0
    assert leaving.wait_end() == 0
