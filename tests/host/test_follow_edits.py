"""A file becomes a container and the container follows its edits: what changes decides what happens."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.host.agent_process import AgentProcess, definition, life_of
from tests.host.host_view import counts_swap, memory_limits, read_limit

pytestmark = pytest.mark.real

MEBIBYTE = 1024 * 1024


def test_a_file_becomes_a_container(agent: AgentProcess) -> None:
    row = agent.start_container("web", definition("echo up; trap 'exit 0' TERM; sleep 100000 & wait"))
    assert row["ready"] is True
    assert row["restarts"] == 0
    assert row["problems"] == []
    assert row["instance"].startswith("web-")
    agent.wait_log("web", "up\n")
    assert Path(f"/proc/{row['pid']}/cmdline").read_text().startswith("/bin/sh\0-c\0echo up;")


def test_status_json_says_the_same_as_the_files(agent: AgentProcess) -> None:
    agent.start_container("told")
    done = agent.call("status", "--json", "told")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [agent.row("told")]


def test_another_environment_replaces_that_container_and_no_other(agent: AgentProcess) -> None:
    script = "echo is $COLOUR; trap 'exit 0' TERM; sleep 100000 & wait"
    edited = agent.start_container("edited", definition(script, env={"COLOUR": "red"}))
    beside = agent.start_container("beside", definition(script, env={"COLOUR": "red"}))
    agent.define("edited", definition(script, env={"COLOUR": "green"}))
    replaced = agent.wait_replaced("edited", edited)
    agent.wait_log("edited", "is green")
    assert replaced["pid"] != edited["pid"]
    assert replaced["restarts"] == 0, "asked for, so it is no restart"
    assert agent.row("beside") == beside


def test_a_comment_and_another_order_of_keys_touch_nothing(agent: AgentProcess) -> None:
    text = definition(env={"A": "1", "B": "2"}, hostname="same")
    before = agent.start_container("same", text)
    lines = definition(env={"B": "2", "A": "1"}, hostname="same").splitlines()
    agent.define("same", "# a comment\n" + "\n\n".join(reversed(lines)) + "  # another\n")
    agent.let_it_look()
    assert life_of(agent.row("same")) == life_of(before)


def test_restart_settings_touch_no_process_and_count_from_then_on(agent: AgentProcess) -> None:
    before = agent.start_container("tuned", definition())
    agent.define("tuned", definition(restart={"on_failure": "stop", "delay": "5s"}))
    agent.let_it_look()
    assert life_of(agent.row("tuned")) == life_of(before)
    os.kill(before["pid"], signal.SIGKILL)
    row = agent.wait_state("tuned", "failed")
    assert row["last_exit"]["signal"] == signal.SIGKILL


@pytest.mark.parametrize(
    ("broken", "line", "column", "path"),
    [
        ('args = ["/bin/sh"]\nrootfs = "host"\nhostnme = "x"\n', 3, 1, "hostnme"),
        ('args = ["/bin/sh"]\nrootfs = "host"\nrestart = { delay = 5 }\n', 3, 21, "restart.delay"),
        ('rootfs = "host"\nargs = ["/bin/sh"\n', 2, 18, ""),
    ],
    ids=["unknown key", "wrong type", "syntax"],
)
def test_a_broken_edit_leaves_its_container_until_it_is_mended(
    agent: AgentProcess, broken: str, line: int, column: int, path: str
) -> None:
    name = f"broken{len(broken)}"
    before = agent.start_container(name)
    agent.define(name, broken)
    row = agent.wait_row(name, lambda row: row["problems"], "its problem")
    (problem,) = row["problems"]
    assert problem["file"] == str(agent.config / f"{name}.toml")
    assert (problem["line"], problem["column"], problem["path"]) == (line, column, path)
    assert life_of({**row, "problems": []}) == life_of(before)
    agent.define(name, definition())
    mended = agent.wait_row(name, lambda row: not row["problems"], "to be mended")
    assert life_of(mended) == life_of(before)


def test_a_new_file_that_is_broken_starts_nothing_until_it_is_mended(agent: AgentProcess) -> None:
    agent.define("newborn", definition(user="nobody-of-this-name"))
    row = agent.wait_state("newborn", "invalid")
    assert (row["pid"], row["problems"][0]["path"]) == (None, "user")
    agent.define("newborn", definition())
    agent.wait_row("newborn", lambda row: row["state"] == "running" and not row["problems"], "to run")


def test_a_deleted_file_stops_its_container(agent: AgentProcess) -> None:
    row = agent.start_container("deleted", definition("trap 'echo asked; exit 0' TERM; sleep 100000 & wait"))
    agent.remove("deleted")
    assert not os.path.exists(f"/proc/{row['pid']}")
    assert agent.log("deleted") == "asked\n", "what it wrote stays"


def test_a_file_that_is_saved_by_renaming_the_old_away_is_not_deleted(agent: AgentProcess) -> None:
    before = agent.start_container("saved")
    file = agent.config / "saved.toml"
    (agent.config / "4913").write_text("")
    (agent.config / "4913").unlink()
    file.rename(agent.config / "saved.toml~")
    file.write_text(definition())
    (agent.config / "saved.toml~").unlink()
    agent.let_it_look()
    assert life_of(agent.row("saved")) == life_of(before)


def test_the_memory_limit_is_changed_under_the_running_process(agent: AgentProcess) -> None:
    before = agent.start_container("limited", definition(resources={"memory": "64M"}))
    cgroup = agent.cgroup("limited")
    assert memory_limits(cgroup) == {64 * MEBIBYTE}
    for size in (128, 32):
        agent.define("limited", definition(resources={"memory": f"{size}M"}))
        agent.wait_until(lambda size=size: memory_limits(cgroup) == {size * MEBIBYTE}, f"a limit of {size} MiB")  # type: ignore[misc]
    agent.define("limited", definition())
    agent.wait_until(lambda: memory_limits(cgroup) == {None}, "no limit")
    assert life_of(agent.row("limited")) == life_of(before)


def test_every_other_limit_is_changed_under_the_running_process_and_taken_away(agent: AgentProcess) -> None:
    before = agent.start_container("bounded", definition(resources={"cpus": 0.5, "pids": 64}))
    cgroup = agent.cgroup("bounded")

    def quota() -> str:
        return read_limit(cgroup, "cpu.cfs_quota_us", "cpu.max").removesuffix(" 100000")

    assert (quota(), read_limit(cgroup, "pids.max")) == ("50000", "64")
    agent.define("bounded", definition(resources={"cpus": 1.5, "pids": 32, "cpu_weight": 200, "memory": "64M"}))
    agent.wait_until(lambda: quota() == "150000", "another limit of processors")
    agent.wait_until(lambda: read_limit(cgroup, "pids.max") == "32", "another limit of processes")
    agent.wait_until(lambda: read_limit(cgroup, "cpu.shares", "cpu.weight") in ("2048", "200"), "another weight")
    swap = {"memory": "64M", "memory_swap": "96M", "cpu_weight": 200}
    agent.define("bounded", definition(resources=swap))
    agent.wait_until(lambda: quota() in ("-1", "max", "819200000"), "no limit of processors")
    agent.wait_until(lambda: read_limit(cgroup, "pids.max") in ("max", "4194304"), "no limit of processes")
    agent.wait_until(lambda: 96 * MEBIBYTE in memory_limits(cgroup) or not counts_swap(cgroup), "room to swap")
    agent.define("bounded", definition())
    agent.wait_until(lambda: read_limit(cgroup, "cpu.shares", "cpu.weight") in ("1024", "100"), "no weight")
    agent.wait_until(lambda: memory_limits(cgroup) == {None}, "no limit of memory")
    assert life_of(agent.row("bounded")) == life_of(before)


def test_a_memory_limit_that_cannot_hold_is_told_and_leaves_the_container(agent: AgentProcess) -> None:
    script = "x=$(head -c 40000000 /dev/zero | tr '\\0' x); echo full; trap 'exit 0' TERM; sleep 100000 & wait; : $x"
    before = agent.start_container("full", definition(script, resources={"memory": "256M"}))
    agent.wait_log("full", "full")
    agent.define("full", definition(script, resources={"memory": "8M"}))
    row = agent.wait_row("full", lambda row: row["message"], "why it is not so")
    assert "cannot update" in row["message"]
    assert life_of({**row, "message": ""}) == life_of(before)
    assert memory_limits(agent.cgroup("full")) == {256 * MEBIBYTE}
    agent.define("full", definition(script, resources={"memory": "200M"}))
    agent.wait_until(lambda: memory_limits(agent.cgroup("full")) == {200 * MEBIBYTE}, "the new limit")
    after = agent.wait_row("full", lambda row: not row["message"], "no trouble any more")
    assert life_of(after) == life_of(before)
