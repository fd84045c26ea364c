"""`orchestrator kill` and `shutdown`; and every verb that asks the agent, where there is none to be asked."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from attrs import evolve

from orchestrator.cli import main
from orchestrator.system.procstat import read_start_time
from orchestrator.testing.operator import AGENT, FakeOperator
from tests.api.helpers_api import WEB, serving
from tests.cli.helpers_operate import call, calling

ASKED = [["start", "web"], ["stop", "--all"], ["restart", "web"], ["kill", "web", "HUP"], ["shutdown"]]

STRANGER = """
import contextlib, io, os, sys
from orchestrator.cli import main
# What a stranger may not read is loaded before: an installation below /root.
with contextlib.redirect_stderr(io.StringIO()):
    assert main([*sys.argv[1:-1], "/nowhere"]) == 1
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main())
"""


@pytest.mark.parametrize("name", ["SIGHUP", "HUP"])
async def test_a_signal_by_its_name(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(tmp_path) as served:
        assert await call(served, "kill", "web", name) == 0
        assert capsys.readouterr() == ("", "")
        assert served.operator.calls[-1] == ("send_signal", ("web", signal.SIGHUP))


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["db", "HUP"], 1, '"db" does not run: it is stopped'),
        (["wbe", "HUP"], 1, 'there is no container "wbe" (did you mean "web"?)'),
        (["web", "1"], 2, '"1" is not a signal: it is a number (write "SIGHUP")'),
        (["web", "HUB"], 2, '"HUB" is not a signal (did you mean "SIGHUP"?)'),
    ],
)
async def test_a_signal_that_cannot_be_sent(
    tmp_path: Path, arguments: list[str], code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path) as served:
        assert await call(served, "kill", *arguments) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert line in err


async def test_shutdown_waits_for_the_process_of_the_agent(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "100000"]) as sleeper:  # noqa: ASYNC220 - it is done at once
        agent = evolve(AGENT, pid=sleeper.pid, pid_start_time=read_start_time(sleeper.pid) or 0)
        operator = FakeOperator([WEB], agent=agent)
        async with serving(tmp_path, operator) as served, calling(served, "shutdown") as process:
            await operator.wait_called("shut_down")
            assert not process.has_ended()
            sleeper.kill()
            assert await process.finish() == (0, "", "")


async def test_shutdown_without_waiting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start_time = read_start_time(os.getpid()) or 0
    operator = FakeOperator([WEB], agent=evolve(AGENT, pid=os.getpid(), pid_start_time=start_time))
    async with serving(tmp_path, operator) as served:
        assert await call(served, "shutdown", "--no-wait") == 0
        assert capsys.readouterr() == ("", "")
        assert served.operator.calls[-1] == ("shut_down", None)


async def test_another_process_with_the_pid_of_the_agent_is_not_waited_for(tmp_path: Path) -> None:
    operator = FakeOperator([WEB], agent=evolve(AGENT, pid=os.getpid(), pid_start_time=1))
    async with serving(tmp_path, operator) as served:
        assert await call(served, "shutdown") == 0


async def test_an_interrupt_leaves_the_shutdown(tmp_path: Path) -> None:
    start_time = read_start_time(os.getpid()) or 0
    operator = FakeOperator([WEB], agent=evolve(AGENT, pid=os.getpid(), pid_start_time=start_time))
    async with serving(tmp_path, operator) as served, calling(served, "shutdown") as process:
        await operator.wait_called("shut_down")
        process.send_signal(signal.SIGINT)
        line = "orchestrator: interrupted: the agent goes on with what it has begun\n"
        assert await process.finish() == (130, "", line)


@pytest.mark.parametrize("arguments", ASKED, ids=" ".join)
def test_no_agent(tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run" / "control.sock"
    line = f"orchestrator: no agent listens at {path}: start it with `orchestrator run`\n"
    assert main([*arguments, "--run", str(path.parent)]) == 1, "there is no run directory"
    assert capsys.readouterr() == ("", line)
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert main([*arguments, "--run", str(path.parent)]) == 1, "nobody listens any more"
    assert capsys.readouterr() == ("", line)


@pytest.mark.real
@pytest.mark.parametrize("arguments", ASKED, ids=" ".join)
async def test_a_stranger(tmp_path: Path, arguments: list[str]) -> None:
    """Only root can become somebody else. The way to the socket is open to all, the socket itself is not."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    async with serving(tmp_path) as served:
        async with calling(served, *arguments, program=STRANGER) as process:
            line = f"orchestrator: only root and the agent's own user may talk to it ({served.path})\n"
            assert await process.finish() == (1, "", line)
        assert served.operator.calls == []


@pytest.mark.parametrize("arguments", ASKED, ids=" ".join)
async def test_two_agents_side_by_side(tmp_path: Path, arguments: list[str]) -> None:
    async with serving(tmp_path / "one") as one, serving(tmp_path / "two") as two:
        assert await call(two, *arguments) == 0
        assert one.operator.calls == []
        assert two.operator.calls
