"""`orchestrator doctor` on this host: beside a running agent, without root, and ended in the midst of a trial."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator import __version__
from orchestrator.system.doctor_runtimes import PREFIX
from tests.host.agent_process import PATIENCE, AgentProcess, find_program, life_of, orchestrator
from tests.host.host_view import CGROUPS, list_files, read_mounts

# What is looked for on the host is what any doctor leaves there.
pytestmark = [pytest.mark.real, pytest.mark.alone]

Findings = list[dict[str, str]]


def find_remains() -> dict[str, list[str]]:
    """What a doctor may leave on the host: folders, control groups, mounts, containers' processes."""
    groups = [CGROUPS, *(folder for folder in CGROUPS.iterdir() if folder.is_dir())]
    processes = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            processes += [str(command)] if PREFIX.encode() in command.read_bytes() else []
        except OSError:
            continue
    return {
        "folders": [str(path) for folder in ("/run", "/tmp") for path in Path(folder).glob(f"{PREFIX}*")],
        "control groups": [str(path) for group in groups for path in group.glob(f"{PREFIX}*")],
        "mounts": [line for line in read_mounts("self") if PREFIX in line],
        "processes": processes,
    }


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = find_remains()
    yield
    assert find_remains() == before


def ask(agent: AgentProcess, *options: str) -> tuple[int, Findings]:
    done = agent.call("doctor", "--json", *options)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def find(findings: Findings, subject: str, found: str) -> dict[str, str]:
    (finding,) = (each for each in findings if each["subject"] == subject and found in each["found"])
    return finding


def test_a_running_agent_is_not_disturbed(agent: AgentProcess) -> None:
    row = agent.start_container("web")
    agent.wait_until(lambda: "web: started" in agent.output(), "its line, which comes after its state")
    files, output = list_files(agent.layout), agent.output()
    code, findings = ask(agent)
    assert code == 0, findings
    assert find(findings, "agent", f"process {agent.pid}, version {__version__}")["level"] == "ok"
    assert find(findings, "agent", "control.sock answers")["level"] == "ok"
    assert find(findings, "runtime", "--runtime auto takes ")["level"] == "ok"
    assert find(findings, "directories", "logs are cut by collapsing")["level"] == "ok"
    assert life_of(agent.row("web")) == life_of(row)
    assert list_files(agent.layout) == files
    assert agent.output() == output


def test_every_object_has_these_keys(agent: AgentProcess) -> None:
    _, findings = ask(agent)
    for finding in findings:
        assert list(finding) == ["subject", "level", "found", "means", "mend"]
        assert all(isinstance(value, str) for value in finding.values())
        assert finding["level"] in ("ok", "note", "warning", "error")
        assert finding["found"]


def test_for_people_it_is_lines_below_headings(agent: AgentProcess) -> None:
    done = agent.call("doctor")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert "rights" in lines
    assert "  ok       this is root" in lines
    assert lines[-1].startswith("0 errors, ")
    assert "\x1b" not in done.stdout


@contextmanager
def make_runtime(folder: Path, script: str) -> Iterator[str]:
    program = folder / "runtime"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    yield str(program)


def call(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Without an agent, in directories that are not there."""
    command = (orchestrator(), "doctor", "--run", f"{folder}/run", "--state", f"{folder}/state", *options)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)


def test_without_an_agent_nothing_is_made(tmp_path: Path) -> None:
    done = call(tmp_path, "--json")
    assert done.returncode == 0, done.stdout
    findings = json.loads(done.stdout)
    assert find(findings, "agent", f"none runs in {tmp_path}/run")["level"] == "note"
    assert "missing as yet" in find(findings, "directories", "state directory")["found"]
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_refuses_is_an_error_with_its_own_words(tmp_path: Path) -> None:
    with make_runtime(tmp_path, "echo 'the moon is wrong' >&2; exit 1") as program:
        done = call(tmp_path, "--json", "--runtime", program)
    assert done.returncode == 1
    findings = json.loads(done.stdout)
    refusal = find(findings, "runtime", "refuses: the moon is wrong")
    assert refusal["level"] == "error"
    assert refusal["found"].startswith(f"{program}: {program}")
    assert find(findings, "runtime", f"--runtime {program} finds none that works")["level"] == "error"
    # The others are tried all the same: one of them may do.
    assert find(findings, "runtime", f"runc: {find_program('runc')}")["level"] == "ok"


def test_ended_in_the_midst_of_a_trial_it_removes_what_it_made(tmp_path: Path) -> None:
    begun, released = tmp_path / "begun", tmp_path / "released"
    os.mkfifo(begun)
    os.mkfifo(released)
    # A while after its release, so that the signal has come first.
    script = f'case "$*" in *create*) echo > {begun}; read line < {released}; sleep 0.5; exit 1;; esac'
    with make_runtime(tmp_path, script) as program:
        command = (orchestrator(), "doctor", "--run", f"{tmp_path}/run", "--runtime", program)
        for number in (signal.SIGTERM, signal.SIGINT):
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as doctor:
                begun.read_text()
                assert any(find_remains().values()), "the trial is on"
                doctor.send_signal(number)
                released.write_text("now\n")  # a create is never cut short
                code = doctor.wait(PATIENCE)
            assert code == (-signal.SIGTERM if number == signal.SIGTERM else 130)
            assert not any(find_remains().values())


def test_as_nobody_it_says_what_it_could_not_look_at(agent: AgentProcess) -> None:
    """Once as root before, which loads what the interpreter keeps where nobody may look."""
    program = (
        "import contextlib, io, os, sys\n"
        "from orchestrator.cli import main\n"
        f"arguments = ['doctor', '--json', '--run', '{agent.run}', '--state', '{agent.state}']\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    main(arguments)\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(main(arguments))\n"
    )
    python = Path(orchestrator()).with_name("python")
    done = subprocess.run((python, "-c", program), capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.stderr == ""
    findings = json.loads(done.stdout)
    assert find(findings, "rights", "this is not root")["mend"] == "sudo orchestrator doctor"
    assert find(findings, "runtime", "could not look: which one")["level"] == "note"
    assert find(findings, "runtime", "runc: ")["found"].endswith(", not tried")
    assert find(findings, "directories", "could not look: whether logs can be cut")["level"] == "note"
    assert done.returncode == 0, findings
