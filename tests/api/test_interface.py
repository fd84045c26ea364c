"""Requests made up from the OpenAPI page: what the page says is what the server does, whatever it is sent."""

import socket
import threading
from collections.abc import Iterator
from typing import Any, Self

import pytest
import schemathesis
import trio
from hypothesis import HealthCheck, settings
from jsonschema.validators import Draft202012Validator

from orchestrator.api.openapi import describe_interface
from orchestrator.api.server import serve
from orchestrator.model.life import Exit
from orchestrator.model.problem import Problem
from orchestrator.model.state import NameState, PublicState
from orchestrator.ports import Part
from orchestrator.testing.operator import FakeOperator

SCHEMA = schemathesis.openapi.from_dict(describe_interface())
PROBLEM = Problem("/etc/orchestrator/web.toml", 3, 7, "args", "cannot be empty", "write one")
WEB = NameState(
    name="web",
    state=PublicState.RUNNING,
    since=1.5,
    ready=True,
    pid=42,
    instance="web-1",
    bundle="a" * 64,
    started_at=1.5,
    next_retry_at=3.0,
    last_exit=Exit(code=1, at=1.0),
    log="/var/lib/orchestrator/logs/web.log",
    problems=(PROBLEM,),
)
DB = NameState(name="db", state=PublicState.STOPPED, since=2.0)
RECORD = (
    b'{"at":"2026-01-31T12:00:00.250Z","kind":"exited","name":"web","instance":null,"message":"","exit":null,'
    b'"retry_at":null,"fields":[],"problems":[]}\n'
)


class LoopbackListener:
    """A socket that any client can reach. Implements `orchestrator.api.needs.Listener`."""

    path = "control.sock"

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)

    def fileno(self) -> int:
        return self.socket.fileno()

    async def wait_replaced(self, descriptor: int) -> None:
        await trio.sleep_forever()

    def hang_up(self) -> None:
        self.socket.close()


class OnePiece:
    """Implements `orchestrator.api.needs.Pieces`; ends, whether or not it is to be followed."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        data, self.data = self.data, b""
        if not data:
            raise StopAsyncIteration
        return data

    def close(self) -> None:
        self.data = b""


class EndingStreams:
    """Implements `orchestrator.api.needs.Streams`."""

    async def events(self, lines: int | None, follow: bool, name: str | None) -> OnePiece:
        return OnePiece(RECORD)

    async def logs(self, name: str, lines: int | None, follow: bool) -> OnePiece:
        return OnePiece(b"a line\n")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Its address. It runs in a thread, since what makes up the requests waits for each answer."""
    operator = FakeOperator([WEB, DB])
    for part in Part:
        operator.parts["web", part] = {"part": part.value}
    listener, said = LoopbackListener(), list[str]()
    port = listener.socket.getsockname()[1]
    ended, token = threading.Event(), list[trio.lowlevel.TrioToken]()
    scope = trio.CancelScope()

    async def run() -> None:
        token.append(trio.lowlevel.current_trio_token())
        ended.set()
        with scope:
            await serve(operator, EndingStreams(), listener, said.append)

    thread = threading.Thread(target=trio.run, args=(run,))
    thread.start()
    ended.wait()
    yield f"http://127.0.0.1:{port}"
    trio.from_thread.run_sync(scope.cancel, trio_token=token[0])
    thread.join()
    assert said == []


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_server_does_what_its_page_says(case: "schemathesis.Case[Any]", server: str) -> None:
    case.call_and_validate(base_url=server)


def test_every_schema_is_one() -> None:
    for name, schema in describe_interface()["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema["description"].endswith("."), name
