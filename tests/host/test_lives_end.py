"""How containers end: restarts with growing waits, completion, stops, kills, starts that fail, and want of memory."""

import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.host.agent_process import AgentProcess, definition
from tests.host.host_view import find_cgroups, is_running

pytestmark = pytest.mark.real

NEVER_AGAIN = {"delay": "1h", "max_delay": "1h"}
"""A wait that no test sees the end of."""


def assert_nothing_of(agent: AgentProcess, name: str) -> None:
    """No instance of the container has left a file, a state of the runtime's or a control group."""
    places = [Path(agent.layout.instances), Path(agent.layout.roots), Path(agent.layout.runtime_root)]
    left = [str(path) for place in places if place.exists() for path in place.iterdir()]
    left += [str(path) for path in find_cgroups(agent.cgroup_root) for path in path.iterdir() if path.is_dir()]
    assert [path for path in left if f"/{name}-" in path] == []


def test_a_crash_loop_waits_longer_each_time(agent: AgentProcess) -> None:
    planned = [0.05, 0.2, 0.8, 3.2]
    restart = {"delay": "50ms", "factor": 4.0, "jitter": 0.0}
    agent.define("crasher", definition("date +%s%N; exit 3", restart=restart))
    row = agent.wait_row("crasher", lambda row: row["restarts"] == 3 and row["state"] == "backoff", "three restarts")
    assert row["last_exit"] == {"code": 3, "signal": None, "oom": False, "at": row["last_exit"]["at"]}
    assert row["next_retry_at"] > row["last_exit"]["at"], "ISO times sort as texts"
    assert row["message"] == "exited with code 3"
    starts = [int(line) / 1e9 for line in agent.log("crasher").split()]
    gaps = [after - before for before, after in pairwise(starts)]
    assert len(gaps) == 3
    # A busy machine makes a gap longer, and nothing makes it shorter.
    assert all(gap >= wait for gap, wait in zip(gaps, planned, strict=False)), gaps
    assert_nothing_of(agent, "crasher")


def test_a_new_definition_ends_the_wait_of_a_crash_loop(agent: AgentProcess) -> None:
    agent.define("hopeless", definition("exit 1", restart=NEVER_AGAIN))
    agent.wait_state("hopeless", "backoff")
    agent.define("hopeless", definition(restart=NEVER_AGAIN))
    assert agent.wait_state("hopeless", "running")["restarts"] == 0


def test_a_service_that_ends_well_is_started_again(agent: AgentProcess) -> None:
    agent.define("again", definition("echo ran; exit 0", restart={"delay": "10ms", "factor": 1.0}))
    row = agent.wait_row("again", lambda row: row["restarts"] >= 2, "to be started again")
    assert row["last_exit"]["code"] == 0


def test_a_oneshot_completes_and_is_ready_then(agent: AgentProcess) -> None:
    gate = agent.base / "gate"
    gate.mkdir()
    script = "echo working; until [ -e /gate/open ]; do sleep 0.02; done; echo done"
    agent.define("job", definition(script, type="oneshot", mounts={"/gate": {"source": str(gate)}}))
    assert agent.wait_state("job", "running")["ready"] is False
    (gate / "open").touch()
    row = agent.wait_state("job", "completed")
    assert (row["ready"], row["pid"], row["last_exit"]["code"], row["restarts"]) == (True, None, 0, 0)
    assert agent.log("job") == "working\ndone\n"
    assert_nothing_of(agent, "job")


def test_on_failure_stop_gives_up_at_the_first_failure(agent: AgentProcess) -> None:
    agent.define("strict", definition("exit 7", restart={"on_failure": "stop"}))
    row = agent.wait_state("strict", "failed")
    assert (row["ready"], row["last_exit"]["code"], row["restarts"], row["next_retry_at"]) == (False, 7, 0, None)


def test_it_gives_up_after_so_many_restarts_until_more_are_allowed(agent: AgentProcess) -> None:
    restart = {"delay": "10ms", "max_restarts": 2, "window": "1h"}
    agent.define("hapless", definition("echo ran; exit 5", restart=restart))
    row = agent.wait_state("hapless", "failed")
    assert (row["restarts"], row["last_exit"]["code"], row["next_retry_at"]) == (2, 5, None)
    assert row["message"] == "gave up: 2 restarts within 1h; last: exited with code 5"
    assert agent.log("hapless") == "ran\n" * 3
    assert_nothing_of(agent, "hapless")
    agent.define("hapless", definition("echo ran; exit 5", restart={**restart, "delay": "20ms"}))
    agent.let_it_look()
    assert agent.row("hapless")["state"] == "failed", "another wait is no reason to try again"
    agent.define("hapless", definition("echo ran; exit 5", restart={**restart, "max_restarts": 3}))
    agent.wait_row("hapless", lambda row: row["message"].startswith("gave up: 3 restarts"), "to give up again")
    assert agent.log("hapless").count("ran") >= 4


def test_a_process_that_is_killed_from_outside_comes_again(agent: AgentProcess) -> None:
    before = agent.start_container("victim", definition(restart={"delay": "10ms"}))
    os.kill(before["pid"], signal.SIGKILL)
    row = agent.wait_replaced("victim", before)
    assert row["restarts"] == 1
    assert row["last_exit"]["signal"] == signal.SIGKILL
    assert row["last_exit"]["oom"] is False


def test_stop_asks_by_its_signal(agent: AgentProcess) -> None:
    script = "trap 'echo asked to go' USR1; trap 'echo not so' TERM; echo up; sleep 100000 & wait"
    agent.start_container("polite", definition(script, stop={"signal": "SIGUSR1", "timeout": "1h"}))
    agent.wait_log("polite", "up")
    agent.remove("polite")
    assert agent.log("polite") == "up\nasked to go\n"
    assert_nothing_of(agent, "polite")


def test_stop_kills_everything_that_does_not_go(agent: AgentProcess) -> None:
    deaf = "setsid sh -c 'trap \"\" TERM; sleep 100000' & sleep 100000 &"
    script = f"trap 'echo heard' TERM; {deaf} echo up; while :; do wait; done"
    stop = {"timeout": "500ms"}
    before = agent.start_container("stubborn", definition(script, stop=stop))
    agent.wait_log("stubborn", "up")
    cgroup = agent.cgroup("stubborn")
    pids = {int(pid) for path in find_cgroups(cgroup) for pid in (path / "cgroup.procs").read_text().split()}
    assert len(pids) >= 3
    agent.define("stubborn", definition(script, stop=stop, env={"NEW": "1"}))
    row = agent.wait_replaced("stubborn", before)
    assert row["last_exit"]["signal"] == signal.SIGKILL
    assert row["restarts"] == 0
    assert not find_cgroups(cgroup)
    assert "heard" in agent.log("stubborn")
    agent.remove("stubborn")


def test_a_missing_program_is_a_failed_start_in_the_runtimes_words(agent: AgentProcess, busybox_root: Path) -> None:
    fields = {"rootfs": {"type": "directory", "path": str(busybox_root)}, "restart": NEVER_AGAIN}
    agent.define("missing", definition(["/bin/no-such-program"], **fields))
    row = agent.wait_state("missing", "backoff")
    assert (row["pid"], row["ready"]) == (None, False)
    assert (row["last_exit"]["code"], row["last_exit"]["signal"]) == (None, None)
    assert row["next_retry_at"] is not None
    assert agent.runtime in row["message"]
    assert "/bin/no-such-program" in row["message"]
    assert "no such file or directory" in row["message"].lower() or "not found" in row["message"]
    assert_nothing_of(agent, "missing")
    agent.define("missing", definition(["/bin/sleep", "100000"], **fields, stop={"signal": "SIGKILL"}))
    agent.wait_state("missing", "running")


def test_a_mount_that_cannot_be_made_is_a_failed_start(agent: AgentProcess, busybox_root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    rootfs = {"type": "directory", "path": str(busybox_root)}
    mounts = {"/data": {"source": str(tmp_path / "file")}}
    agent.define("mismounted", definition(["/bin/true"], rootfs=rootfs, mounts=mounts, restart=NEVER_AGAIN))
    row = agent.wait_state("mismounted", "backoff")
    assert str(tmp_path / "file") in row["message"]
    assert "not a directory" in row["message"].lower()
    assert_nothing_of(agent, "mismounted")


def test_a_missing_source_is_a_problem_until_it_is_there(agent: AgentProcess, tmp_path: Path) -> None:
    text = definition(mounts={"/data": {"source": str(tmp_path / "later")}})
    agent.define("sourceless", text)
    row = agent.wait_state("sourceless", "invalid")
    assert row["problems"][0]["line"] == 3
    assert str(tmp_path / "later") in row["problems"][0]["message"]
    (tmp_path / "later").mkdir()
    row = agent.wait_state("sourceless", "running")
    assert row["problems"] == []


def test_want_of_memory_is_told_apart(agent: AgentProcess) -> None:
    restart = {"on_failure": "stop"}
    agent.define("hungry", definition(["tail", "/dev/zero"], resources={"memory": "24M"}, restart=restart))
    row = agent.wait_state("hungry", "failed")
    assert row["last_exit"]["oom"] is True
    assert row["last_exit"]["signal"] == signal.SIGKILL
    assert "out of memory" in row["message"]
    agent.wait_until(lambda: "out of memory" in agent.output(), "the agent to say so too")


def test_want_of_memory_in_a_child_is_told_too(agent: AgentProcess) -> None:
    agent.define(
        "parent", definition("tail /dev/zero; exit 5", resources={"memory": "24M"}, restart={"on_failure": "stop"})
    )
    row = agent.wait_state("parent", "failed")
    assert (row["last_exit"]["code"], row["last_exit"]["oom"]) == (5, True)


def test_a_process_is_gone_when_its_stop_is_told(agent: AgentProcess) -> None:
    row = agent.start_container("leaver")
    start_time = int(Path(f"/proc/{row['pid']}/stat").read_text().rpartition(")")[2].split()[19])
    assert is_running(row["pid"], start_time)
    agent.remove("leaver")
    assert not is_running(row["pid"], start_time)
