"""`orchestrator status --watch` as a process: on a terminal, in a pipe, as lines for programs."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from orchestrator.model.layout import Layout
from orchestrator.model.state import PublicState
from orchestrator.system.disk import HostDisk
from tests.cli.test_status_command import WEB, agent_state

ORCHESTRATOR = (sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(f"{tmp_path}/state", f"{tmp_path}/run")


@pytest.fixture
def disk(layout: Layout) -> HostDisk:
    disk = HostDisk(layout)
    disk.write_agent(agent_state())
    disk.write_name(WEB)
    return disk


@contextmanager
def watching(layout: Layout, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``orchestrator status --watch`` while it runs; it ends with 130 when it is interrupted."""
    with subprocess.Popen(
        [*ORCHESTRATOR, "status", "--watch", "--run", layout.run, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
            assert process.stderr is not None
            assert process.stderr.read() == ""
        finally:
            process.kill()


def next_rows(process: subprocess.Popen[str]) -> dict[str, dict[str, Any]]:
    """The next line for programs, by name."""
    assert process.stdout is not None
    return {row["name"]: row for row in json.loads(process.stdout.readline())}


def test_for_programs_each_change_is_a_line(disk: HostDisk, layout: Layout) -> None:
    with watching(layout, "--json") as process:
        assert next_rows(process)["web"]["state"] == "running"
        disk.write_name(evolve(WEB, state=PublicState.STOPPING))
        assert next_rows(process)["web"]["state"] == "stopping"
        disk.write_name(evolve(WEB, name="api"))
        seen = next_rows(process)
        while "api" not in seen:
            seen = next_rows(process)
        disk.remove_name("web")
        while "web" in seen:
            seen = next_rows(process)
        assert set(seen) == {"api"}


def test_many_changes_at_once_are_few_lines(disk: HostDisk, layout: Layout) -> None:
    with watching(layout, "--json") as process:
        next_rows(process)
        for number in range(300):
            disk.write_name(evolve(WEB, restarts=number))
        lines = 1
        while next_rows(process)["web"]["restarts"] != 299:
            lines += 1
        assert lines < 100


def test_in_a_pipe_the_table_comes_again(disk: HostDisk, layout: Layout) -> None:
    with watching(layout) as process:
        assert process.stdout is not None
        assert process.stdout.readline().split()[0] == "NAME"
        assert process.stdout.readline().split()[:2] == ["web", "running"]
        disk.write_name(evolve(WEB, state=PublicState.BACKOFF, pid=None))
        assert process.stdout.readline() == "\n"
        assert process.stdout.readline().split()[0] == "NAME"
        assert process.stdout.readline().split()[:2] == ["web", "backoff"]


def test_names_are_waited_for(disk: HostDisk, layout: Layout) -> None:
    with watching(layout, "--json", "api") as process:
        assert next_rows(process) == {}
        disk.write_name(evolve(WEB, restarts=7))  # another one's change is none
        disk.write_name(evolve(WEB, name="api"))
        assert set(next_rows(process)) == {"api"}


def test_an_agent_that_was_never_there_is_waited_for(layout: Layout) -> None:
    with watching(layout) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"no agent is running (run directory {layout.run}, which is missing)\n"
        assert process.stdout.readline() == "there is no container\n"
        disk = HostDisk(layout)
        disk.write_agent(agent_state())
        disk.write_name(WEB)
        while process.stdout.readline().split()[:2] != ["web", "running"]:
            pass


def test_an_agent_that_dies_is_noticed(disk: HostDisk, layout: Layout) -> None:
    """It leaves its files as they are, so no event tells of its end."""
    with subprocess.Popen(["sleep", "1000"]) as agent, watching(layout, "--json") as process:
        start_time = int(Path(f"/proc/{agent.pid}/stat").read_text().rpartition(")")[2].split()[19])
        disk.write_agent(agent_state(pid=agent.pid, pid_start_time=start_time))
        assert next_rows(process)["web"]["message"] == ""
        agent.kill()
        agent.wait()
        assert "without an agent" in next_rows(process)["web"]["message"]


def test_a_reader_that_leaves_ends_it(disk: HostDisk, layout: Layout) -> None:
    with subprocess.Popen(
        [*ORCHESTRATOR, "status", "--watch", "--json", "--run", layout.run],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        disk.write_name(evolve(WEB, restarts=9))
        assert process.wait(30) == 141
        assert process.stderr.read() == b""


def test_a_terminal_is_drawn_again_and_given_back(disk: HostDisk, layout: Layout) -> None:
    for name in ("api", "database"):
        disk.write_name(evolve(WEB, name=name))
    environment = {**os.environ, "TERM": "xterm-256color", "LINES": "3", "COLUMNS": "120"}
    environment.pop("NO_COLOR", None)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [*ORCHESTRATOR, "status", "--watch", "--run", layout.run], environment)
    seen = b""

    def read_until(text: bytes) -> bytes:
        """What comes up to and with a text; fails with EIO where the program has ended without it."""
        nonlocal seen
        while text not in seen:
            assert len(seen) < 100_000, seen[-1000:]
            seen += os.read(terminal, 65536)
        end = seen.index(text) + len(text)
        before, seen = seen[:end], seen[end:]
        return before

    try:
        first = read_until(b"(2 more lines)\x1b[J")
        assert first.startswith(b"\x1b[?1049h\x1b[?25l\x1b[H")
        assert b"api" in first
        assert first.count(b"\n") == 2, "so that nothing is scrolled away"
        disk.write_name(evolve(WEB, name="api", state=PublicState.FAILED))
        read_until(b"\x1b[1;31mfailed")
        os.write(terminal, b"\x03")
        read_until(b"\x1b[?25h\x1b[?1049l")
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 130
    finally:
        os.close(terminal)  # which hangs up on one that still runs
