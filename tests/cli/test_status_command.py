"""`orchestrator status`, from state files that the real disk has written."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from orchestrator.cli import main
from orchestrator.core.status import describe_pin
from orchestrator.model.layout import Layout
from orchestrator.model.life import Exit
from orchestrator.model.problem import Problem
from orchestrator.model.source import Edit
from orchestrator.model.state import AgentState, NameState, PublicState
from orchestrator.system.disk import HostDisk
from orchestrator.system.states import read_start_time

PROBLEM = Problem("/etc/orchestrator/db.toml", 3, 7, "args", "cannot be empty", "write one")
WEB = NameState(
    name="web",
    state=PublicState.RUNNING,
    since=1000.0,
    ready=True,
    instance="web-1",
    restarts=2,
    pid=os.getpid(),
    pid_start_time=read_start_time(os.getpid()),
)
DB = NameState(
    name="db", state=PublicState.INVALID, since=1000.0, last_exit=Exit(code=1, at=999.0), problems=(PROBLEM,)
)


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("ORCHESTRATOR_RUN", f"{tmp_path}/run")
    return Layout(f"{tmp_path}/state", f"{tmp_path}/run")


@pytest.fixture
def disk(layout: Layout) -> HostDisk:
    disk = HostDisk(layout)
    disk.write_name(WEB)
    disk.write_name(DB)
    return disk


def agent_state(**changes: Any) -> AgentState:  # noqa: ANN401 - fields of AgentState
    state = AgentState(
        pid=os.getpid(),
        pid_start_time=read_start_time(os.getpid()) or 0,
        version="1",
        started_at=1.0,
        config="/etc/orchestrator",
        state="/var/lib/orchestrator",
        runtime="/usr/bin/runc",
        runtime_name="runc",
    )
    return evolve(state, **changes)


def test_the_plain_table(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    disk.write_agent(agent_state())
    assert main(["status"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "READY", "PID", "SINCE", "RESTARTS", "MESSAGE"]
    assert lines[1].split()[:4] == ["db", "invalid", "-", "-"]
    assert lines[1].endswith("1 problem, see below")
    assert lines[2].split()[:4] == ["web", "running", "yes", str(os.getpid())]
    assert len({line.index(word) for line, word in zip(lines, ("STATE", "invalid", "running"), strict=False)}) == 1
    assert lines[3:] == ["", "problems:", f"  {PROBLEM}"]
    assert "\x1b" not in out


def test_json_is_the_rows_and_nothing_else(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    disk.write_agent(agent_state())
    assert main(["status", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    db, web = json.loads(out)
    assert (web["name"], web["state"], web["pid"], web["since"]) == (
        "web", "running", os.getpid(), "1970-01-01T00:16:40.000Z",
    )  # fmt: skip
    assert db["last_exit"] == {"code": 1, "signal": None, "oom": False, "at": "1970-01-01T00:16:39.000Z"}
    assert db["problems"] == [
        {
            "file": "/etc/orchestrator/db.toml",
            "line": 3,
            "column": 7,
            "path": "args",
            "message": "cannot be empty",
            "hint": "write one",
        }
    ]


def test_names_choose_the_rows(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    disk.write_agent(agent_state(problems=(Problem("/etc/orchestrator/A.toml", 1, 1, "", "cannot be a name"),)))
    disk.write_name(evolve(WEB, name="api"))
    assert main(["status", "web", "api", "web"]) == 0
    out, _ = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "api", "web"]


def test_a_name_that_is_unknown_is_one_line(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "web", "weg"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == 'orchestrator: there is no container "weg" (did you mean "web"?)\n'


def test_nothing_there_is_no_failure(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == []
    assert err == f"orchestrator: no agent is running (run directory {layout.run}, which is missing)\n"
    assert main(["status"]) == 0
    assert capsys.readouterr().out == ""
    os.mkdir(layout.run)
    assert main(["status"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"orchestrator: no agent is running (run directory {layout.run})",
        "orchestrator: there is no container",
    ]


def test_a_name_where_there_is_nothing_is_told_why(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "web"]) == 1
    assert capsys.readouterr().err == (
        f'orchestrator: there is no container "web": no agent is running (run directory {layout.run}, '
        "which is missing)\n"
    )


def test_without_its_agent_the_living_and_the_dead_are_told_apart(
    disk: HostDisk, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    disk.write_agent(agent_state(pid_start_time=1))
    disk.write_name(evolve(WEB, name="gone", pid_start_time=1))
    assert main(["status", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == f"orchestrator: no agent is running (run directory {layout.run})\n"
    rows = {row["name"]: row for row in json.loads(out)}
    assert {name: row["state"] for name, row in rows.items()} == {"db": "invalid", "gone": "stopped", "web": "running"}
    assert (rows["gone"]["pid"], rows["gone"]["ready"]) == (None, False)
    assert rows["gone"]["message"] == "the agent is gone: it ended while no agent was there"


def test_what_stands_in_the_way_of_the_whole_is_said(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    nameless = Problem("/etc/orchestrator/A.toml", 1, 1, "", "cannot be a name")
    disk.write_agent(agent_state(message="cannot watch /etc/orchestrator", problems=(nameless,)))
    assert main(["status"]) == 0
    out, err = capsys.readouterr()
    assert err == "orchestrator: cannot watch /etc/orchestrator\n"
    assert out.splitlines()[-3:] == ["problems:", f"  {nameless}", f"  {PROBLEM}"]
    assert main(["status", "--json"]) == 0
    assert capsys.readouterr().err.splitlines()[1] == f"orchestrator: {nameless}"


def test_a_pinned_generation_is_said(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    disk.write_agent(agent_state(pinned=7, history_trouble="cannot write /x/8.jsonl: No space left on device"))
    said = [f"orchestrator: {describe_pin(7)}", "orchestrator: cannot write /x/8.jsonl: No space left on device"]
    for words in (["status"], ["status", "--json"], ["status", "web"]):
        assert main(words) == 0
        assert capsys.readouterr().err.splitlines() == said


def test_what_goes_by_its_last_good_definition_is_said(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    edit = Edit(file="/etc/orchestrator/web.toml", modified_at=1.0, digest="0", generation=7)
    disk.write_agent(agent_state())
    disk.write_name(evolve(WEB, problems=(PROBLEM,), edit=edit))
    assert main(["status", "web", "db"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[2].endswith("goes by its last good definition, of generation 7; 1 problem, see below")
    assert main(["status", "web", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["edit"]["generation"] == 7


def test_a_damaged_file_is_told_and_the_rest_is_shown(
    disk: HostDisk, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    disk.write_agent(agent_state())
    Path(layout.name_state("bad")).write_text("{}")
    assert main(["status"]) == 1
    out, err = capsys.readouterr()
    assert "web" in out
    assert err == (
        f"orchestrator: {layout.names}/bad.json: the state file is damaged: its schema version is null, known is 1\n"
    )
    assert main(["status", "web"]) == 0
    assert main(["status", "bad"]) == 1


def test_a_message_cannot_write_to_the_terminal(disk: HostDisk, capsys: pytest.CaptureFixture[str]) -> None:
    disk.write_name(evolve(WEB, message="first\nsecond \x1b[31mred"))
    main(["status", "web", "db"])
    shown = "first second \\x1b[31mred; it goes on without an agent: nobody restarts it"
    assert capsys.readouterr().out.splitlines()[2].endswith(shown)
    main(["status", "web"])
    assert f"why: {shown}" in [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_a_terminal_gets_colours(disk: HostDisk) -> None:
    """On a pseudo-terminal, as a process of its own."""
    disk.write_agent(agent_state())
    controller, terminal = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "160"}
    environment.pop("NO_COLOR", None)
    code = "import sys; from orchestrator.cli import main; sys.exit(main(['status']))"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=terminal, stderr=subprocess.PIPE, env=environment, check=False
    )
    os.close(terminal)
    shown = os.read(controller, 65536).decode()
    os.close(controller)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "\x1b[32mrunning\x1b[0m" in shown


def test_it_loads_neither_trio_nor_rich(disk: HostDisk) -> None:
    code = (
        "import sys; from orchestrator.cli import main; code = main(['status', '--json']); "
        "print(sorted({'trio', 'rich', 'cattrs', 'tree_sitter', 'asyncio'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
