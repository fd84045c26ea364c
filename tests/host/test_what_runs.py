"""What a container runs, under a whole agent: a script, variables of files that are followed, a ready bundle."""

import json
import os
from pathlib import Path

import pytest

from tests.host.agent_process import STAYS, AgentProcess, Row, definition, to_toml

pytestmark = pytest.mark.real

TELLS = f'echo "it is $COLOUR"; {STAYS}'


def script(lines: str, **fields: object) -> str:
    values = {"cmd": lines, "rootfs": "host", **fields}
    return "".join(f"{key} = {to_toml(value)}\n" for key, value in values.items())


def touched_nothing(agent: AgentProcess, name: str, before: Row) -> bool:
    agent.let_it_look()
    return agent.row(name) == before


def test_lines_run_as_a_script_that_stays_one_process(agent: AgentProcess) -> None:
    row = agent.start_container("lines", script("cd /tmp\npwd\nexec sleep 100000", user="7:7", stop={"timeout": "0s"}))
    agent.wait_log("lines", "/tmp\n")
    agent.wait_until(lambda: Path(f"/proc/{row['pid']}/cmdline").read_bytes() == b"sleep\x00100000\x00", "its sleep")
    agent.remove("lines")


def test_an_edit_of_the_lines_replaces(agent: AgentProcess) -> None:
    before = agent.start_container("edited", script(f"echo one\n{STAYS}"))
    agent.define("edited", script(f"echo two\n{STAYS}"))
    agent.wait_replaced("edited", before)
    agent.wait_log("edited", "two\n")


def test_a_watched_file_is_followed_and_an_unwatched_is_not(agent: AgentProcess, tmp_path: Path) -> None:
    file = tmp_path / "web.env"
    file.write_text("COLOUR=red\n")
    watched = agent.start_container("watched", definition(TELLS, env_files=[f"{file}"]))
    unwatched = agent.start_container("unwatched", definition(TELLS, env_files=[{"path": f"{file}", "watch": False}]))
    assert touched_nothing(agent, "watched", watched)

    file.write_text("COLOUR=green\n")
    watched = agent.wait_replaced("watched", watched)
    agent.wait_log("watched", "it is green\n")
    assert touched_nothing(agent, "unwatched", unwatched)

    beside = tmp_path / "beside"
    beside.write_text("COLOUR=blue\n")
    beside.rename(file)
    watched = agent.wait_replaced("watched", watched)
    agent.wait_log("watched", "it is blue\n")

    file.write_text("COLOUR=blue\n")  # the same again
    assert touched_nothing(agent, "watched", watched)

    file.write_text("COLOUR=red\nsecret-without-a-name\n")
    row = agent.wait_row("watched", lambda row: row["problems"], "its problem")
    assert 'line 2: there is no "=" in it' in row["problems"][0]["message"]
    assert {**row, "problems": []} == watched
    file.unlink()
    file.write_text("COLOUR=blue\n")
    agent.wait_row("watched", lambda row: not row["problems"], "to be mended")
    assert touched_nothing(agent, "watched", watched)
    assert "secret" not in agent.output()


def test_what_files_say_stands_nowhere_but_in_the_config_of_the_instance(agent: AgentProcess, tmp_path: Path) -> None:
    file = tmp_path / "web.env"
    file.write_text("COLOUR=told-to-nobody\n")
    row = agent.start_container("private", definition(STAYS, env_files=[f"{file}"]))
    assert b"COLOUR=told-to-nobody" in Path(f"/proc/{row['pid']}/environ").read_bytes()
    config = Path(agent.layout.instance(row["instance"]), "config.json")
    holders = {
        Path(folder, name)
        for top in (agent.state, agent.run)
        for folder, _, names in os.walk(top)
        for name in names
        if Path(folder, name).is_file() and b"told-to-nobody" in Path(folder, name).read_bytes()
    }
    # The runtime keeps a copy of its own, in a folder for root alone.
    assert {path for path in holders if not path.is_relative_to(agent.layout.runtime_root)} == {config}
    assert config.stat().st_mode & 0o777 == 0o600
    for command in (("check", str(agent.config / "private.toml")), ("status", "--json", "private")):
        done = agent.call(*command)
        assert (done.returncode, "told-to-nobody" in done.stdout + done.stderr) == (0, False)


def test_a_file_that_vanishes_fails_the_next_start_until_it_is_back(agent: AgentProcess, tmp_path: Path) -> None:
    file = tmp_path / "web.env"
    file.write_text("COLOUR=red\n")
    fields = {"env_files": [{"path": f"{file}", "watch": False}], "restart": {"delay": "50ms", "max_delay": "50ms"}}
    before = agent.start_container("vanishing", definition(TELLS, **fields))
    file.unlink()
    os.kill(before["pid"], 9)
    why = f"cannot read the variables of {file}: no such file or directory"
    agent.wait_row("vanishing", lambda row: row["state"] == "backoff" and why in row["message"], "why it fails")
    file.write_text("COLOUR=back\n")
    agent.wait_state("vanishing", "running")
    agent.wait_log("vanishing", "it is back\n")


def test_a_ready_bundle_runs_and_is_followed(agent: AgentProcess, tmp_path: Path) -> None:
    source = tmp_path / "first.toml"
    source.write_text(script(f'echo "it is $COLOUR in $(ls /data)"\n{STAYS}', env={"COLOUR": "red"}))
    bundle = tmp_path / "bundle"
    done = agent.call("build", str(source), "-o", str(bundle))
    assert done.returncode == 0, done.stderr
    config = json.loads((bundle / "config.json").read_text())
    (bundle / "data" / "inside").mkdir(parents=True)
    config["root"]["readonly"] = False
    config["mounts"].append({"destination": "/data", "type": "bind", "source": "data", "options": ["rbind", "ro"]})
    (bundle / "config.json").write_text(json.dumps(config))

    before = agent.start_container("ready", f'bundle = "{bundle}"\nresources.memory = "64M"\n')
    agent.wait_log("ready", "it is red in inside\n")
    assert touched_nothing(agent, "ready", before)
    config["process"]["env"] = ["PATH=/usr/bin:/bin", "COLOUR=green"]
    (bundle / "config.json").write_text(json.dumps(config))
    replaced = agent.wait_replaced("ready", before)
    agent.wait_log("ready", "it is green in inside\n")

    (bundle / "config.json").write_text(json.dumps({**config, "process": {**config["process"], "terminal": True}}))
    row = agent.wait_row("ready", lambda row: row["problems"], "its problem")
    assert row["problems"][0]["hint"] == 'write "terminal": false in its "process"'
    assert {**row, "problems": []} == replaced
