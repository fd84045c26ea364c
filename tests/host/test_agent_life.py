"""The agent itself: its start and end, signals, kills, a second agent, systemd, and the ways to its directory."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.system.states import read_start_time
from tests.host.agent_process import PATIENCE, STAYS, AgentProcess, definition
from tests.host.host_view import find_cgroups, is_running

pytestmark = pytest.mark.real

DEAF = "trap '' TERM; echo up; while :; do sleep 1; done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_agent_after_its_containers(own_agent: AgentProcess, number: signal.Signals) -> None:
    script = "trap 'sleep 0.3; echo finished; exit 0' TERM; echo up; while :; do sleep 100000 & wait; done"
    for name in ("one", "two"):
        own_agent.define(name, definition(script))
    own_agent.start()
    rows = [own_agent.start_container(name, definition(script)) for name in ("one", "two")]
    for name in ("one", "two"):
        own_agent.wait_log(name, "up")
    assert own_agent.end(number) == 0
    assert [own_agent.log(name) for name in ("one", "two")] == ["up\nfinished\n"] * 2
    assert not any(os.path.exists(f"/proc/{row['pid']}") for row in rows)
    assert f"{number.name}: stopping all containers" in own_agent.output()
    assert {row["state"] for row in own_agent.rows().values()} <= {"stopped"}


def test_a_second_signal_hurries(own_agent: AgentProcess) -> None:
    own_agent.define("deaf", definition(DEAF, stop={"timeout": "1h"}))
    own_agent.start()
    own_agent.wait_log("deaf", "up")
    own_agent.process.terminate()
    own_agent.wait_state("deaf", "stopping")
    assert own_agent.end(signal.SIGTERM) == 0
    assert "SIGTERM again" in own_agent.output()
    assert not find_cgroups(own_agent.cgroup_root)


def test_a_second_agent_on_a_run_directory_says_so_and_ends(own_agent: AgentProcess) -> None:
    before = own_agent.start().start_container("mine")
    second = own_agent.run_here()
    assert second.returncode == 1
    assert second.stdout == ""
    (line,) = second.stderr.splitlines()
    assert line == f"orchestrator: another agent (pid {own_agent.pid}) has {own_agent.run}"
    assert own_agent.row("mine") == before
    assert own_agent.end() == 0


def test_a_run_directory_that_is_removed_is_made_again(own_agent: AgentProcess) -> None:
    before = own_agent.start().start_container("mine")
    # Moved away first: the agent is quicker than a removal file by file, which then finds the folder full again.
    shutil.rmtree(own_agent.run.rename(own_agent.base / "removed"))
    own_agent.wait_until(lambda: os.path.exists(f"{own_agent.run}/names/mine.json"), "the name's file, made again")
    after = own_agent.row("mine")
    assert (after["pid"], after["state"]) == (before["pid"], "running")
    second = own_agent.run_here()
    assert second.returncode == 1
    assert "another agent" in second.stderr
    # Without the runtime's own state too, the container is followed and ended whole.
    own_agent.define("mine", definition(STAYS, env={"NEW": "1"}))
    own_agent.wait_replaced("mine", before)
    assert own_agent.end() == 0
    assert not find_cgroups(own_agent.cgroup_root)
    assert not os.path.exists(f"/proc/{before['pid']}")


def test_what_a_killed_agent_left_goes_on_with_the_next(own_agent: AgentProcess) -> None:
    script = "sleep 100000 & trap 'echo asked; exit 0' TERM; echo up; while :; do wait; done"
    own_agent.define("left", definition(script, readonly=False))
    own_agent.define("orphaned", definition())
    own_agent.start()
    own_agent.wait_log("left", "up")
    rows = {name: own_agent.wait_state(name, "running") for name in ("left", "orphaned")}
    began = {name: read_start_time(row["pid"]) for name, row in rows.items()}
    cgroups = {name: own_agent.cgroup(name) for name in rows}
    own_agent.kill()

    assert all(is_running(row["pid"], began[name]) for name, row in rows.items()), "containers go on"
    done = own_agent.call("status")
    assert done.returncode == 0
    assert "no agent is running" in done.stderr
    assert own_agent.row("left")["state"] == "running"
    assert "nobody restarts it" in own_agent.row("left")["message"]

    (own_agent.config / "orphaned.toml").unlink()
    own_agent.start()
    own_agent.wait_until(lambda: own_agent.rows().keys() == {"left"}, "orphaned to be gone")
    assert own_agent.row("left") == rows["left"]
    assert is_running(rows["left"]["pid"], began["left"])
    assert not is_running(rows["orphaned"]["pid"], began["orphaned"])
    assert (bool(find_cgroups(cgroups["left"])), bool(find_cgroups(cgroups["orphaned"]))) == (True, False)
    assert "left by an earlier agent" not in own_agent.output()
    assert own_agent.log("left") == "up\n", "nobody has asked it to end"
    assert os.listdir(own_agent.layout.runtime_root) == [rows["left"]["instance"]]
    assert os.listdir(own_agent.layout.roots) == [rows["left"]["instance"]]
    # Its agent stops what it has adopted as what it has started.
    assert own_agent.end() == 0
    assert own_agent.log("left") == "up\nasked\n"
    assert not is_running(rows["left"]["pid"], began["left"])
    assert not find_cgroups(cgroups["left"])
    assert os.listdir(own_agent.layout.roots) == []


@pytest.mark.parametrize(("exits", "code"), [(0, 0), (1, 1)])
def test_once_settles_shows_and_ends(own_agent: AgentProcess, exits: int, code: int) -> None:
    own_agent.define("service", definition())
    own_agent.define("job", definition(f"exit {exits}", type="oneshot", restart={"on_failure": "stop"}))
    done = own_agent.run_here("--once")
    assert done.returncode == code, done
    shown = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[1:]}
    assert shown == {"job": "failed" if exits else "completed", "service": "running"}
    assert not find_cgroups(own_agent.cgroup_root)
    assert os.listdir(own_agent.layout.instances) == []


def test_once_with_a_broken_definition_fails_and_runs_the_rest(own_agent: AgentProcess) -> None:
    own_agent.define("broken", "args = 1\n")
    own_agent.define("job", definition("echo ran", type="oneshot"))
    done = own_agent.run_here("--once")
    assert done.returncode == 1
    assert own_agent.log("job") == "ran\n"
    assert f"{own_agent.config}/broken.toml:1:8: args:" in done.stdout


# systemd


class Manager:
    """The end of sd_notify(3) that systemd has."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.heard: list[str] = []

    def wait_for(self, message: str, times: int = 1) -> None:
        """Listen until ``message`` has come so often."""
        while self.heard.count(message) < times:
            self.heard += self._listener.recv(4096).decode().splitlines()


@contextmanager
def listening(path: Path) -> Iterator[Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(PATIENCE)
        yield Manager(listener)


def test_systemd_is_told_of_readiness_life_and_end(own_agent: AgentProcess) -> None:
    own_agent.define("web", definition("env; trap 'exit 0' TERM; sleep 100000 & wait"))
    own_agent.define("hopeless", definition(["/no/such"], restart={"delay": "1h", "max_delay": "1h"}))
    with listening(own_agent.base / "notify") as manager:
        own_agent.environ |= {"NOTIFY_SOCKET": str(own_agent.base / "notify"), "WATCHDOG_USEC": "200000"}
        own_agent.start(settled=False)
        manager.wait_for("READY=1")
        assert own_agent.row("web")["state"] == "running"
        assert own_agent.row("hopeless")["state"] == "backoff"
        manager.wait_for("WATCHDOG=1", times=5)
        manager.wait_for("STATUS=1 running, 1 backoff")
        assert "STOPPING=1" not in manager.heard
        own_agent.process.terminate()
        manager.wait_for("STOPPING=1")
        assert own_agent.wait_end() == 0
        assert manager.heard.count("READY=1") == 1
    assert not any(line.startswith(("NOTIFY_", "WATCHDOG_")) for line in own_agent.log("web").splitlines())


def test_no_container_inherits_a_descriptor_of_the_agents(own_agent: AgentProcess) -> None:
    own_agent.start()
    text = own_agent.run_to_end("descriptors", "ls -l /proc/self/fd")
    open_files = [line.split(" -> ")[1] for line in text.splitlines() if " -> " in line]
    log = own_agent.layout.log("descriptors")
    assert len(open_files) == 4, "the three streams, and the folder that is listed"
    assert open_files[1:3] == [log, log]
    assert own_agent.end() == 0


# The ways to the directory


def test_a_directory_that_comes_later_is_followed(own_agent: AgentProcess) -> None:
    own_agent.config.rmdir()
    own_agent.start()
    assert own_agent.rows() == {}
    assert str(own_agent.config) in own_agent.output(), "it says that there is none"
    own_agent.config.mkdir()
    own_agent.start_container("late")
    assert own_agent.end() == 0


def test_a_chain_of_links_is_followed_when_it_is_switched(own_agent: AgentProcess) -> None:
    base = own_agent.base
    own_agent.config.rmdir()
    common = definition(env={"SAME": "in both"})
    for number in ("1", "2"):
        (base / f"store{number}").mkdir()
        (base / f"store{number}/common.toml").write_text(common)
        (base / f"store{number}/only{number}.toml").write_text(definition())
        (base / f"store{number}/differs.toml").write_text(definition(env={"NUMBER": number}))
    (base / "profile").symlink_to("store1")
    own_agent.config.symlink_to(base / "profile")
    own_agent.start()
    before = own_agent.rows()
    assert before.keys() == {"common", "differs", "only1"}
    (base / "profile.new").symlink_to("store2")
    (base / "profile.new").rename(base / "profile")
    own_agent.wait_state("only2", "running")
    own_agent.wait_replaced("differs", before["differs"])
    own_agent.wait_until(lambda: "only1" not in own_agent.rows(), "only1 to be gone")
    assert own_agent.row("common") == before["common"]
    assert own_agent.end() == 0


def test_a_directory_that_is_moved_away_is_told_and_stops_nothing(own_agent: AgentProcess) -> None:
    before = own_agent.start().start_container("steady")
    own_agent.config.rename(own_agent.base / "away")
    own_agent.wait_until(lambda: f"{own_agent.config}" in own_agent.output().split("steady:")[-1], "the message")
    assert "orchestrator: " in own_agent.call("status").stderr
    (own_agent.base / "away").rename(own_agent.config)
    own_agent.let_it_look()
    assert own_agent.row("steady") == before
    assert own_agent.end() == 0


def test_status_without_an_agent_says_so(own_agent: AgentProcess) -> None:
    done = own_agent.call("status", "--json")
    assert (done.returncode, done.stdout) == (0, "[]\n")
    assert done.stderr == f"orchestrator: no agent is running (run directory {own_agent.run}, which is missing)\n"


def test_a_runtime_that_does_not_work_is_one_clear_line(own_agent: AgentProcess) -> None:
    own_agent.program = "/bin/false"
    done = own_agent.run_here()
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("orchestrator: no OCI runtime works on this host: /bin/false: ")
