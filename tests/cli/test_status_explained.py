"""`orchestrator status NAME`: what is looked at on the host, and how it is printed."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from orchestrator.cli import main
from orchestrator.model.bundle import LogTarget
from orchestrator.model.layout import Layout
from orchestrator.model.problem import Problem
from orchestrator.model.source import Edit
from orchestrator.model.state import NameState, PublicState
from orchestrator.system.disk import HostDisk
from tests.cli.test_status_command import WEB, agent_state

TEXT = 'args = ["web"]\nrootfs = "host"\n'


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("ORCHESTRATOR_RUN", f"{tmp_path}/run")
    return Layout(f"{tmp_path}/state", f"{tmp_path}/run")


@pytest.fixture
def disk(layout: Layout) -> HostDisk:
    disk = HostDisk(layout)
    disk.make_folders()
    disk.write_agent(agent_state())
    return disk


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    path = tmp_path / "web.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def web(layout: Layout, definition: Path) -> NameState:
    edit = Edit(file=str(definition), modified_at=1000.0, digest=hashlib.sha256(TEXT.encode()).hexdigest())
    return evolve(WEB, edit=edit, log=layout.log("web"), fields={"resources.memory": "256M"})


def explain(capsys: pytest.CaptureFixture[str], name: str = "web") -> tuple[dict[str, str], list[str]]:
    """The labelled lines, and all lines."""
    assert main(["status", name]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    labelled = [line.strip().partition(": ") for line in lines[1:]]
    return {label: text for label, _, text in labelled}, lines


def test_all_of_it(
    layout: Layout, disk: HostDisk, web: NameState, definition: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk.write_name(web)
    Path(layout.log("web")).write_bytes(
        b"".join(b"line %d\n" % number for number in range(20)) + b"\xff\x1b[31m\tend" + b"x" * 999
    )
    shown, lines = explain(capsys)
    assert lines[0].startswith("web: running, ready since ")
    assert shown["instance"] == f"web-1, process {os.getpid()}"
    assert shown["edit"].startswith(f"{definition} of ")
    assert shown["edit"].endswith(": live")
    assert shown["log"] == layout.log("web")
    at = lines.index("the last lines of its log:")
    assert lines[at + 1 :] == [
        *(f"  line {number}" for number in range(11, 20)),
        f"  \ufffd\ufffd[31m  end{'x' * 489}…",
    ]


def test_an_edit_with_problems_is_told_with_the_live_one(
    disk: HostDisk, web: NameState, definition: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    definition.write_text("args = []\n")
    problem = Problem(str(definition), 1, 8, "args", "cannot be empty", "write one")
    disk.write_name(evolve(web, problems=(problem,)))
    shown, lines = explain(capsys)
    assert " is live; the file was edited at " in shown["edit"]
    assert shown["edit"].endswith(": not live, 1 problem")
    at = lines.index("problems:")
    assert lines[at + 1 : at + 5] == [
        f"  {definition}:1:8: args: cannot be empty",
        "    1 | args = []",
        "      |        ^",
        "    write one",
    ]


def test_a_definition_that_is_gone(
    disk: HostDisk, web: NameState, definition: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    definition.unlink()
    disk.write_name(web)
    assert explain(capsys)[0]["edit"].endswith(": live; now cannot read the file: no such file or directory")


def test_what_has_not_run_yet(disk: HostDisk, layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    disk.write_name(NameState(name="web", state=PublicState.WAITING, since=1000.0, log=layout.log("web")))
    shown, lines = explain(capsys)
    assert set(shown) == {"log"}
    assert len(lines) == 2


def test_a_log_that_cannot_be_shown(
    disk: HostDisk, web: NameState, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkdir(layout.log("web"))
    disk.write_name(web)
    assert explain(capsys)[1][-1] == "its log cannot be shown: Is a directory"


def test_the_last_lines_are_asked_of_the_journal(
    disk: HostDisk,
    web: NameState,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk.write_name(evolve(web, log=None, log_target=LogTarget.JOURNAL))
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    shown, lines = explain(capsys)
    assert shown["log"] == f"the journal (journalctl -t {disk.layout.run}/web)"
    assert lines[-2:] == [
        "the last line of its log:",
        f"  --quiet --no-pager --output=cat --identifier={disk.layout.run}/web --lines=10",
    ]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert explain(capsys)[1][-1] == "its log cannot be shown: cannot run journalctl: No such file or directory"


def test_what_it_uses_is_read_from_its_control_group(
    disk: HostDisk, web: NameState, capsys: pytest.CaptureFixture[str]
) -> None:
    """The group of a container that is not there any more counts nothing; its limits are known all the same."""
    disk.write_name(evolve(web, cgroups_path="/orchestrator-test-nowhere/web-1"))
    shown, _ = explain(capsys)
    assert shown["memory"] == "at most 256M"
    assert "processes" not in shown


def test_it_is_as_quick_as_the_table(disk: HostDisk, web: NameState, layout: Layout) -> None:
    disk.write_name(web)
    Path(layout.log("web")).write_text("line\n")
    code = (
        "import sys; from orchestrator.cli import main; code = main(['status', 'web']); "
        "print(sorted({'trio', 'rich', 'cattrs', 'tree_sitter', 'asyncio'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "the last line of its log:" in done.stdout
    assert done.stderr.splitlines()[-1] == "[]"
