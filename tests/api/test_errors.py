"""What the control socket answers when it cannot do what it is asked: as RFC 9457 has it, with all that is wrong."""

from collections.abc import Sequence
from pathlib import Path

import h11
import pytest
import trio
from attrs import evolve

from orchestrator.api.body import MOST_BYTES
from orchestrator.model.bundle import LogTarget
from orchestrator.model.problem import Problem
from orchestrator.model.state import PublicState
from orchestrator.ports import DiskFailed, Refused
from orchestrator.testing.operator import FakeOperator
from tests.api.helpers_api import DB, WEB, ask, exchanging, serving

PROBLEM = "application/problem+json"

BAD_BODIES: Sequence[tuple[object, int, str]] = [
    (b"", 400, "the body is not JSON"),
    (b'{"all": NaN}', 400, "NaN is no number of JSON"),
    (b"[" * 10_000, 400, "the body is not JSON"),
    (b"\xff", 400, "the body is not JSON"),
    ([], 422, "expected an object, not a list"),
    ({}, 422, 'exactly one is to be given: "names", or "all": true'),
    ({"all": False}, 422, "exactly one"),
    ({"all": True, "names": ["web"]}, 422, "exactly one"),
    ({"names": []}, 422, "/names: the list is empty"),
    ({"names": "web"}, 422, '/names: expected a list of strings, not the string "web"'),
    ({"names": None}, 422, "/names: expected a list of strings, not null"),
    ({"names": ["web", 5]}, 422, "/names/1: expected a string, not the integer 5"),
    ({"all": 1}, 422, "/all: expected true or false, not the integer 1"),
    ({"all": True, "wait": "no"}, 422, '/wait: expected true or false, not the string "no"'),
    ({"name": ["web"]}, 422, '/name: the key "name" is unknown: did you mean "names"?'),
]


@pytest.mark.parametrize(("body", "status", "detail"), BAD_BODIES)
async def test_a_body_that_is_not_as_described(tmp_path: Path, body: object, status: int, detail: str) -> None:
    async with serving(tmp_path) as served:
        exchange, problem = await ask(served, "POST", "/v1/stop", body)
        assert (exchange.status, problem["status"]) == (status, status)
        assert detail in problem["detail"]
        assert exchange.header("content-type") == PROBLEM
        assert not [call for call in served.operator.calls if call[0] == "operate"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, '"signal" is missing'),
        ({"signal": 1}, "/signal: expected a string, not the integer 1"),
        ({"signal": "1"}, '/signal: "1" is not a signal: it is a number (write "SIGHUP")'),
        ({"signal": "SIGTREM"}, '/signal: "SIGTREM" is not a signal (did you mean "SIGTERM"?)'),
    ],
)
async def test_a_signal_that_is_none(tmp_path: Path, body: object, detail: str) -> None:
    async with serving(tmp_path) as served:
        exchange, problem = await ask(served, "POST", "/v1/containers/web/kill", body)
        assert (exchange.status, problem["detail"]) == (422, detail)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"generation": "7"}, '/generation: expected the number of a generation, not the string "7"'),
        ({"generation": True}, "/generation: expected the number of a generation, not the boolean true"),
        ({"generation": 0}, "/generation: expected the number of a generation, not the integer 0"),
        ({"generation": 1.5}, "/generation: expected the number of a generation, not the number 1.5"),
        ({"generation": None}, "/generation: expected the number of a generation, not null"),
        ({"number": 7}, '/number: the key "number" is unknown: known are "generation"'),
    ],
)
async def test_a_generation_that_is_none(tmp_path: Path, body: object, detail: str) -> None:
    async with serving(tmp_path) as served:
        exchange, problem = await ask(served, "POST", "/v1/rollback", body)
        assert (exchange.status, problem["detail"]) == (422, detail)


async def test_every_error_of_a_request_is_told_with_its_place(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        _, problem = await ask(served, "POST", "/v1/start", {"names": [1, 2], "wait": 3})
        assert [error["pointer"] for error in problem["errors"]] == ["/names/0", "/names/1", "/wait"]
        _, problem = await ask(served, "GET", "/v1/events?folow=true&lines=-1&follow=1&name=web&name=db")
        assert {error["parameter"]: error["detail"] for error in problem["errors"]} == {
            "folow": 'there is no parameter "folow": did you mean "follow"?',
            "name": '"name" is given more than once',
            "follow": '"1" is neither true nor false',
            "lines": '"-1" is neither a number of lines nor "all"',
        }
        exchange, _ = await ask(served, "GET", "/v1/containers?all=true")
        assert exchange.status == 422


async def test_names_that_are_not_there(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        exchange, problem = await ask(served, "POST", "/v1/stop", {"names": ["wbe", "web", "x/y"]})
        assert exchange.status == 404
        assert problem == {
            "type": "/openapi.json#/components/responses/UnknownName",
            "title": "Not Found",
            "status": 404,
            "detail": 'there is no container "wbe" (did you mean "web"?); there is no container "x/y"',
            "instance": "/v1/stop",
            "names": ["wbe", "x/y"],
            "known": ["db", "web"],
        }
        assert served.operator.states["web"].state is PublicState.RUNNING
        for path in (
            "/v1/containers/wbe",
            "/v1/containers/wbe/config",
            "/v1/containers/wbe/logs",
            "/v1/events?name=wbe",
        ):
            exchange, problem = await ask(served, "GET", path)
            assert (exchange.status, problem["names"], problem["instance"]) == (404, ["wbe"], path.partition("?")[0])
        exchange, _ = await ask(served, "POST", "/v1/containers/wbe/kill", {"signal": "TERM"})
        assert exchange.status == 404


async def test_what_is_refused(tmp_path: Path) -> None:
    problem = Problem("/etc/orchestrator/web.toml", 3, 1, "args", "expected a list")
    operator = FakeOperator([WEB, evolve(DB, log_target=LogTarget.JOURNAL)])
    operator.fail("operate", Refused("its definition has problems", [problem]))
    async with serving(tmp_path, operator) as served:
        exchange, answer = await ask(served, "POST", "/v1/start", {"names": ["web"]})
        assert exchange.status == 409
        assert answer["problems"][0]["line"] == 3
        exchange, answer = await ask(served, "GET", "/v1/containers/db/logs")
        assert (exchange.status, answer["detail"]) == (409, '"db" has no log file: its log is journal')


async def test_what_the_host_cannot_do(tmp_path: Path) -> None:
    operator = FakeOperator([WEB])
    operator.fail("operate", DiskFailed("cannot write /run/x: No space left on device"))
    async with serving(tmp_path, operator) as served:
        exchange, problem = await ask(served, "POST", "/v1/stop", {"all": True})
        assert (exchange.status, problem["detail"]) == (503, "cannot write /run/x: No space left on device")
        Path(served.layout.log("web")).mkdir()  # noqa: ASYNC240 - a test may block
        exchange, problem = await ask(served, "GET", "/v1/containers/web/logs")
        assert (exchange.status, problem["detail"][-14:]) == (503, "Is a directory")


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", "/v1", 404, ""),
        ("GET", "/v1/containers/", 404, ""),
        ("GET", "/v1/containers/web/rootfs", 404, ""),
        ("DELETE", "/v1/containers/web", 405, "GET, HEAD"),
        ("GET", "/v1/shutdown", 405, "POST"),
        ("OPTIONS", "/v1/stop", 405, "POST"),
    ],
)
async def test_what_there_is_not(tmp_path: Path, method: str, path: str, status: int, allowed: str) -> None:
    async with serving(tmp_path) as served:
        exchange, problem = await ask(served, method, path)
        assert (exchange.status, exchange.header("allow")) == (status, allowed)
        assert (problem["type"], problem["instance"]) == ("about:blank", path)


async def test_a_defect_is_one_line_and_ends_nothing(tmp_path: Path) -> None:
    operator = FakeOperator([WEB])
    async with serving(tmp_path, operator) as served:
        operator.fail("plan", KeyError("x"))
        exchange, problem = await ask(served, "GET", "/v1/plan")
        assert (exchange.status, problem["detail"]) == (500, "internal error: KeyError: 'x'")
        operator.fail("wait_done", ZeroDivisionError("y"))
        async with exchanging(served, "POST", "/v1/stop", {"all": True}) as exchange:
            with pytest.raises(h11.RemoteProtocolError):
                await exchange.read()
        assert [said.partition(" (")[0] for said in served.said] == [
            "internal error at the control socket: KeyError: 'x'",
            "internal error at the control socket: ZeroDivisionError: y",
        ]
        exchange, _ = await ask(served, "GET", "/v1/containers")
        assert exchange.status == 200


@pytest.mark.parametrize("path", ["/v1/stop", "/v1/shutdown", "/v1/agent", "/nothing"])
async def test_a_body_that_is_too_large(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path) as served:
        exchange, problem = await ask(served, "POST", path, b" " * (MOST_BYTES + 1))
        assert (exchange.status, problem["detail"]) == (413, "the body has more than 65536 bytes")
        exchange, _ = await ask(served, "POST", path, b" " * MOST_BYTES)
        assert exchange.status != 413
        assert served.said == []


async def test_a_body_without_an_end_is_cut_off(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        async with await trio.open_unix_socket(served.path) as stream:
            await stream.send_all(b"POST /v1/stop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(10_000):
                try:
                    await stream.send_all(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
                except trio.BrokenResourceError:
                    break
            else:
                raise AssertionError("all of it was taken")
        exchange, _ = await ask(served, "GET", "/v1/agent")
        assert exchange.status == 200
        assert served.said == []
