"""What the control socket answers when all is well, over a real socket: each route, each operation."""

import json
import signal
from pathlib import Path

import pytest

from orchestrator.model.generation import Changed, Listed
from orchestrator.model.state import PublicState
from orchestrator.ports import Operation, Part
from orchestrator.testing.operator import AGENT, FakeOperator
from tests.api.helpers_api import DB, WEB, ask, exchanging, serving

GENERATIONS = (
    Listed(number=6, at=1.5, live=False, pinned=False, definitions=1, changed=Changed(added=("web",))),
    Listed(number=7, at=2.0, live=True, pinned=False, definitions=1, changed=Changed(changed=("web",))),
)


async def test_the_agent_and_its_containers(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        _, agent = await ask(served, "GET", "/v1/agent")
        assert agent["pid"] == AGENT.pid
        assert agent["started_at"] == "2023-11-14T22:13:20.250Z"
        _, rows = await ask(served, "GET", "/v1/containers")
        assert [(row["name"], row["state"], row["pid"]) for row in rows] == [
            ("db", "stopped", None),
            ("web", "running", 42),
        ]
        exchange, row = await ask(served, "GET", "/v1/containers/web")
        assert row == rows[1]
        assert row["since"] == "1970-01-01T00:00:01.500Z"
        assert exchange.header("content-type") == "application/json"


async def test_the_parts_of_a_container(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for part in Part:
            served.operator.parts["web", part] = {"part": part.value}
            _, shown = await ask(served, "GET", f"/v1/containers/web/{part.value}")
            assert shown == {"part": part.value}
        exchange, problem = await ask(served, "GET", "/v1/containers/db/config")
        assert (exchange.status, problem["detail"]) == (409, 'there is no config of "db": nothing of it runs')


async def test_the_plan(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        _, plan = await ask(served, "GET", "/v1/plan")
        assert plan[0] == {"name": "db", "verb": "nothing", "held": False, "fields": [], "problems": []}


async def test_the_generations(tmp_path: Path) -> None:
    operator = FakeOperator([WEB])
    operator.generations = GENERATIONS
    async with serving(tmp_path, operator) as served:
        _, listed = await ask(served, "GET", "/v1/generations")
        assert [(each["number"], each["at"], each["live"]) for each in listed] == [
            (6, "1970-01-01T00:00:01.500Z", False),
            (7, "1970-01-01T00:00:02.000Z", True),
        ]
        assert listed[0]["changed"] == {"added": ["web"], "removed": [], "changed": [], "plugins": []}


@pytest.mark.parametrize(("body", "pinned"), [({}, 6), ({"generation": 7}, 7), ({"generation": 7.0}, 7)])
async def test_a_roll_back_and_the_way_back(tmp_path: Path, body: dict[str, object], pinned: int) -> None:
    operator = FakeOperator([WEB])
    operator.generations = GENERATIONS
    async with serving(tmp_path, operator) as served:
        exchange, done = await ask(served, "POST", "/v1/rollback", body)
        assert (exchange.status, done) == (200, {"generation": pinned, "differing": [], "problems": []})
        _, agent = await ask(served, "GET", "/v1/agent")
        assert agent["pinned"] == pinned
        exchange, text = await ask(served, "POST", "/v1/resume")
        assert (exchange.status, text) == (204, "")
        exchange, problem = await ask(served, "POST", "/v1/resume")
        assert (exchange.status, problem["detail"]) == (409, "no generation is pinned: the directory is followed")
        exchange, problem = await ask(served, "POST", "/v1/rollback", {"generation": 9})
        assert (exchange.status, problem["detail"]) == (409, "there is no generation 9")


async def test_a_signal(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        exchange, text = await ask(served, "POST", "/v1/containers/web/kill", {"signal": "HUP"})
        assert (exchange.status, text) == (204, "")
        assert ("send_signal", ("web", signal.SIGHUP)) in served.operator.calls


async def test_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        exchange, _ = await ask(served, "POST", "/v1/shutdown")
        assert exchange.status == 202
        assert served.operator.calls[-1] == ("shut_down", None)


async def test_the_first_page_names_the_socket(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        exchange, text = await ask(served, "GET", "/")
        assert exchange.header("content-type") == "text/plain; charset=utf-8"
        assert f"curl --unix-socket {served.path} http://localhost/v1/containers\n" in text


@pytest.mark.parametrize("operation", Operation)
async def test_an_operation_answers_as_each_name_is_done(tmp_path: Path, operation: Operation) -> None:
    operator = FakeOperator([WEB, DB], patient=True)
    async with (
        serving(tmp_path, operator) as served,
        exchanging(served, "POST", f"/v1/{operation.value}", {"all": True}) as exchange,
    ):
        assert exchange.header("content-type") == "application/x-ndjson"
        for name, state in (("db", PublicState.STOPPED), ("web", PublicState.RUNNING)):
            operator.finish(name, state, "so it is")
            line = json.loads(await exchange.read())
            assert (line["name"], line["state"]["state"], line["message"]) == (name, state.value, "so it is")
            assert line["ok"] == ((state is PublicState.STOPPED) == (operation is Operation.STOP))
        assert await exchange.read() == b""
    assert operator.calls[0] == ("operate", (operation, ("db", "web")))


async def test_an_operation_that_is_not_waited_for(tmp_path: Path) -> None:
    operator = FakeOperator([WEB, DB], patient=True)
    async with serving(tmp_path, operator) as served:
        exchange, text = await ask(served, "POST", "/v1/stop", {"names": ["web", "web"], "wait": False})
        (line,) = map(json.loads, text.splitlines())
        assert (line["name"], line["ok"], line["state"]["state"]) == ("web", True, "stopping")
        assert exchange.header("content-type") == "application/x-ndjson"


@pytest.mark.parametrize(("operation", "ok"), [("stop", True), ("start", False), ("restart", False)])
async def test_a_name_that_goes_meanwhile(tmp_path: Path, operation: str, ok: bool) -> None:
    operator = FakeOperator([WEB, DB], patient=True)
    async with (
        serving(tmp_path, operator) as served,
        exchanging(served, "POST", f"/v1/{operation}", {"names": ["web"]}) as exchange,
    ):
        operator.finish("web", None)
        line = json.loads(await exchange.read())
        assert (line["ok"], line["state"]) == (ok, None)


async def test_an_operation_goes_on_without_its_client(tmp_path: Path) -> None:
    operator = FakeOperator([WEB], patient=True)
    async with serving(tmp_path, operator) as served:
        async with exchanging(served, "POST", "/v1/stop", {"all": True}):
            pass
        operator.finish("web", PublicState.STOPPED)
        _, row = await ask(served, "GET", "/v1/containers/web")
        assert row["state"] == "stopped"
        assert served.said == []
