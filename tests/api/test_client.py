"""The client of the control socket: what it makes of the answers, and of those that are none."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import evolve

from orchestrator.api.client import ApiProblem, Client, NoAgent, NoAnswer
from orchestrator.model.action import FieldChange, Planned, Verb
from orchestrator.model.generation import Changed, Listed, RolledBack
from orchestrator.model.problem import Problem
from orchestrator.model.state import PublicState
from orchestrator.ports import Operation, Part, Refused, UnknownName
from orchestrator.system.control import ControlSocket
from orchestrator.testing.operator import AGENT, FakeOperator
from tests.api.helpers_api import DB, WEB, serving

PROBLEM = Problem("/etc/orchestrator/web.toml", 3, 7, "args", "cannot be empty", "write one")


async def test_what_it_asks_and_gets(tmp_path: Path) -> None:
    operator = FakeOperator([WEB, DB])
    operator.planned = (
        Planned(name="web", verb=Verb.REPLACE, fields=(FieldChange("args[0]", "a", ["b"]),), problems=(PROBLEM,)),
    )
    operator.parts["web", Part.SPEC] = {"a": [1, None, "é"]}
    async with serving(tmp_path, operator) as served, Client(served.path) as client:
        assert (await client.agent())["pid"] == AGENT.pid
        assert [row["name"] for row in await client.containers()] == ["db", "web"]
        assert await client.plan() == operator.planned
        assert await client.show("web", Part.SPEC) == {"a": [1, None, "é"]}
        await client.send_signal("web", "SIGHUP")
        await client.shut_down()
        assert [method for method, _ in operator.calls[-2:]] == ["send_signal", "shut_down"]


async def test_a_roll_back(tmp_path: Path) -> None:
    operator = FakeOperator([WEB])
    changed = Changed(added=("web",))
    operator.generations = tuple(
        Listed(number=number, at=1.0, live=number == 7, pinned=False, definitions=1, changed=changed)
        for number in (6, 7)
    )
    async with serving(tmp_path, operator) as served, Client(served.path) as client:
        assert await client.roll_back(None) == RolledBack(generation=6)
        assert await client.roll_back(7) == RolledBack(generation=7)
        await client.resume()
        assert operator.calls == [("roll_back", None), ("roll_back", 7), ("resume", None)]
        with pytest.raises(ApiProblem, match="no generation is pinned"):
            await client.resume()


async def test_an_operation_as_it_comes_about(tmp_path: Path) -> None:
    operator = FakeOperator([WEB, DB], patient=True)
    async with (
        serving(tmp_path, operator) as served,
        Client(served.path) as client,
        aclosing(client.operate(Operation.START, None)) as outcomes,
    ):
        for name, state, ok in (("web", PublicState.RUNNING, True), ("db", PublicState.FAILED, False)):
            async with trio.open_nursery() as nursery:

                @nursery.start_soon
                async def end(name: str = name, state: PublicState = state) -> None:
                    await operator.wait_called("wait_done")
                    operator.finish(name, state, "so")

                outcome = await anext(outcomes)
                assert (outcome.name, outcome.ok, outcome.word, outcome.message) == (name, ok, state.value, "so")
        assert await anext(outcomes, None) is None


async def test_what_the_agent_refuses(tmp_path: Path) -> None:
    operator = FakeOperator([evolve(WEB, pid=None)])
    async with serving(tmp_path, operator) as served, Client(served.path) as client:
        with pytest.raises(ApiProblem, match="does not run") as caught:
            await client.send_signal("web", "SIGHUP")
        assert (caught.value.status, caught.value.title) == (409, "Conflict")
        with pytest.raises(ApiProblem, match='no container "ü%"') as caught:
            await client.show("ü%", Part.CONFIG)
        assert caught.value.status == 404
        with pytest.raises(UnknownName, match='no container "a/b"'):
            await client.show("a/b", Part.CONFIG)
        operator.fail("operate", Refused("no", [PROBLEM]))
        with pytest.raises(ApiProblem) as caught:
            await anext(client.operate(Operation.START, ["web"]))
        assert caught.value.members["problems"][0]["line"] == 3


@asynccontextmanager
async def answering(path: str, answer: bytes) -> AsyncIterator[None]:
    """Something listens that says this to whoever connects, and hangs up."""

    async def say(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer)

    with ControlSocket(path) as listener:
        listening = trio.SocketListener(trio.socket.fromfd(listener.fileno(), trio.socket.AF_UNIX, 1))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, say, [listening])
            yield
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n[1, 2]",
        b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_an_answer_that_no_agent_gives(tmp_path: Path, answer: bytes) -> None:
    path = f"{tmp_path}/control.sock"
    with trio.fail_after(20):
        async with answering(path, answer), Client(path) as client:
            with pytest.raises(NoAnswer, match=path):
                await client.plan()


async def test_nobody_there(tmp_path: Path) -> None:
    async with Client(f"{tmp_path}/control.sock") as client:
        with pytest.raises(NoAgent, match="no agent listens at"):
            await client.agent()
    (tmp_path / "file").touch()
    async with Client(f"{tmp_path}/file/control.sock") as client:
        with pytest.raises(NoAgent, match="no agent listens at"):
            await client.agent()
