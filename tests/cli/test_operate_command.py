"""`orchestrator start`, `stop` and `restart`, asked of a server whose operator is none."""

import json
import os
import signal
from pathlib import Path

import pytest
import trio
from attrs import evolve

from orchestrator.model.problem import Problem
from orchestrator.model.state import PublicState
from orchestrator.ports import Operation, Refused
from orchestrator.testing.operator import FakeOperator
from tests.api.helpers_api import DB, WEB, serving
from tests.cli.helpers_operate import call, calling

PROBLEM = Problem("/etc/orchestrator/web.toml", 3, 7, "args", "cannot be empty", "write one")
OPERATIONS = ("start", "stop", "restart")
INTERRUPTED = "orchestrator: interrupted: the agent goes on with what it has begun\n"


@pytest.mark.parametrize(("verb", "state"), [("start", "running"), ("stop", "stopped"), ("restart", "running")])
async def test_a_line_for_each_name(tmp_path: Path, verb: str, state: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(tmp_path) as served:
        assert await call(served, verb, "web") == 0
        assert capsys.readouterr() == (f"web: {state}\n", "")
        assert await call(served, verb, "--all") == 0
        out, err = capsys.readouterr()
        assert sorted(out.splitlines()) == [f"db: {state}", f"web: {state}"]
        assert err == ""
        asked = [given for method, given in served.operator.calls if method == "operate"]
        assert asked == [(Operation(verb), ("web",)), (Operation(verb), ("db", "web"))]
        assert served.said == []


async def test_what_is_not_as_asked_is_told_with_its_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = FakeOperator([evolve(WEB, state=PublicState.STOPPED, problems=(PROBLEM,))], patient=True)
    async with serving(tmp_path, operator) as served, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def end() -> None:
            await operator.wait_called("wait_done")
            operator.finish("web", PublicState.BACKOFF, "no such file")

        assert await call(served, "start", "web") == 1
        assert capsys.readouterr() == (
            "web: backoff: no such file; 1 problem, see below\n",
            f"orchestrator: {PROBLEM}\n",
        )


async def test_without_waiting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(tmp_path, FakeOperator([WEB], patient=True)) as served:
        assert await call(served, "stop", "web", "--no-wait") == 0
        assert capsys.readouterr() == ("web: asked to stop, now stopping\n", "")


@pytest.mark.parametrize(
    ("verb", "code", "line"),
    [("stop", 0, "web: gone\n"), ("start", 1, "web: gone: its definition was removed\n")],
)
async def test_a_name_that_is_removed_meanwhile(
    tmp_path: Path, verb: str, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = FakeOperator([WEB], patient=True)
    async with serving(tmp_path, operator) as served, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def end() -> None:
            await operator.wait_called("wait_done")
            operator.finish("web", None)

        assert await call(served, verb, "web") == code
        assert capsys.readouterr() == (line, "")


async def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(tmp_path) as served:
        assert await call(served, "stop", "web", "--json") == 0
    (outcome,) = json.loads(capsys.readouterr().out)
    assert list(outcome) == ["name", "ok", "state", "message"]
    assert (outcome["name"], outcome["ok"], outcome["message"]) == ("web", True, "")
    assert (outcome["state"]["name"], outcome["state"]["state"]) == ("web", "stopped")


@pytest.mark.parametrize("verb", OPERATIONS)
async def test_names_that_are_not_there(tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(tmp_path) as served:
        assert await call(served, verb, "wbe", "web", "zzz") == 1
        assert capsys.readouterr() == (
            "",
            'orchestrator: there is no container "wbe" (did you mean "web"?)\n'
            'orchestrator: there is no container "zzz"\n',
        )
        assert "operate" not in [method for method, _ in served.operator.calls]


async def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    operator = FakeOperator([WEB])
    operator.fail("operate", Refused("cannot start web: its definition has problems", [PROBLEM]))
    async with serving(tmp_path, operator) as served:
        assert await call(served, "start", "web") == 1
    assert capsys.readouterr() == (
        "",
        f"orchestrator: cannot start web: its definition has problems\norchestrator: {PROBLEM}\n",
    )


@pytest.mark.parametrize("verb", OPERATIONS)
async def test_names_or_all(tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(tmp_path) as served:
        assert await call(served, verb) == 2
        assert capsys.readouterr().err == f"orchestrator: give names or --all (see orchestrator {verb} --help)\n"
        assert await call(served, verb, "web", "--all") == 2
        assert "not both" in capsys.readouterr().err
        assert served.operator.calls == []


async def test_none_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(tmp_path, FakeOperator()) as served:
        assert await call(served, "stop", "--all") == 0
    assert capsys.readouterr() == ("", "orchestrator: there is no container\n")


@pytest.mark.parametrize("verb", OPERATIONS)
async def test_an_interrupt_leaves_the_operation(tmp_path: Path, verb: str) -> None:
    operator = FakeOperator([WEB], patient=True)
    async with serving(tmp_path, operator) as served, calling(served, verb, "web") as process:
        await operator.wait_called("wait_done")
        process.send_signal(signal.SIGINT)
        assert await process.finish() == (130, "", INTERRUPTED)
        operator.finish("web", PublicState.RUNNING)
        assert served.said == []


async def test_an_agent_that_breaks_off(tmp_path: Path) -> None:
    operator = FakeOperator([WEB, DB], patient=True)
    async with serving(tmp_path, operator) as served, calling(served, "stop", "--all") as process:
        await operator.wait_called("wait_done")
        operator.finish("web", PublicState.STOPPED)
        assert await process.read() == "web: stopped\n"
        served.listener.hang_up()
        line = f"orchestrator: the agent at {served.path} has broken off in the midst of its answer\n"
        assert await process.finish() == (1, "", line)


async def test_progress_on_a_terminal(tmp_path: Path) -> None:
    operator = FakeOperator([WEB, DB], patient=True)
    ours, terminal = os.openpty()
    try:
        async with (
            serving(tmp_path, operator) as served,
            calling(served, "stop", "--all", stderr=terminal) as process,
        ):
            await operator.wait_called("wait_done")
            for name, count in (("web", b"0/2"), ("db", b"1/2")):
                assert b"stopping" in await _read_until(ours, count)
                operator.finish(name, PublicState.STOPPED)
            code, out, _ = await process.finish()
    finally:
        os.close(ours)
        os.close(terminal)
    assert (code, out) == (0, "web: stopped\ndb: stopped\n")


async def _read_until(terminal: int, text: bytes) -> bytes:
    shown = b""
    while text not in shown:
        await trio.lowlevel.wait_readable(terminal)
        shown += os.read(terminal, 4096)
    return shown
