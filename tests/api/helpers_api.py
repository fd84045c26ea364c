"""A server over a real socket with an operator that is none, and what a client of it needs."""

import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import h11
import trio
from attrs import field, frozen

from orchestrator.api.server import serve
from orchestrator.model.layout import Layout
from orchestrator.model.state import NameState, PublicState
from orchestrator.system.control import ControlSocket
from orchestrator.system.streams import HostStreams
from orchestrator.testing.operator import FakeOperator

PATIENCE = 30.0
"""Seconds after which a wait has failed. No measure of anything."""

WEB = NameState(name="web", state=PublicState.RUNNING, since=1.5, ready=True, pid=42)
DB = NameState(name="db", state=PublicState.STOPPED, since=2.0)


@frozen
class Served:
    """A server that runs."""

    operator: FakeOperator
    listener: ControlSocket
    layout: Layout
    said: list[str] = field(factory=list)

    @property
    def path(self) -> str:
        return self.listener.path

    def log(self, name: str, text: str) -> Path:
        """Let an application have written this."""
        path = Path(self.layout.log(name))
        path.write_text(text)
        return path


def make_layout(base: Path) -> Layout:
    """The two directories, made."""
    layout = Layout(str(base / "state"), str(base / "run"))
    Path(layout.logs).mkdir(parents=True)
    Path(layout.run).mkdir()
    return layout


@contextmanager
def listening(base: Path) -> Iterator[tuple[Layout, ControlSocket]]:
    """A control socket in directories of its own."""
    layout = make_layout(base)
    with ControlSocket(layout.control) as listener:
        yield layout, listener


@asynccontextmanager
async def serving(base: Path, operator: FakeOperator | None = None) -> AsyncIterator[Served]:
    """A server for as long as the block takes; then it is cancelled, and must have ended soon."""
    with listening(base) as (layout, listener):
        served = Served(operator or FakeOperator([WEB, DB]), listener, layout)
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                streams = HostStreams(layout)
                await nursery.start(serve, served.operator, streams, listener, served.said.append)
                yield served
                nursery.cancel_scope.cancel()


class Exchange:
    """A request, and an answer that is read as it comes. Spells HTTP out by h11, so that nothing is tried twice."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._connection = h11.Connection(h11.CLIENT)
        self.response = h11.Response(status_code=599, headers=[])

    async def begin(self, method: str, path: str, content: bytes) -> None:
        """Ask, and read the answer's head."""
        headers = [("Host", "localhost"), ("Content-Length", str(len(content)))]
        asked = self._connection.send(h11.Request(method=method, target=path, headers=headers))
        assert asked is not None
        asked += self._connection.send(h11.Data(data=content)) or b""
        asked += self._connection.send(h11.EndOfMessage()) or b""
        with suppress(trio.BrokenResourceError):  # it is answered before it is read
            await self._stream.send_all(asked)
        response = await self._next_event()
        assert isinstance(response, h11.Response)
        self.response = response

    @property
    def status(self) -> int:
        return self.response.status_code

    def header(self, name: str) -> str:
        """The value of a header, empty where there is none."""
        return next((value.decode() for key, value in self.response.headers if key.decode() == name), "")

    async def read(self) -> bytes:
        """What comes next of the body; nothing at its end. Raises h11.RemoteProtocolError when it is cut."""
        event = await self._next_event()
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    async def read_all(self) -> bytes:
        """The body to its end."""
        text = b""
        while data := await self.read():
            text += data
        return text

    async def _next_event(self) -> object:
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            try:
                self._connection.receive_data(await self._stream.receive_some())
            except trio.BrokenResourceError:
                self._connection.receive_data(b"")
        return event


@asynccontextmanager
async def exchanging(served: Served, method: str, path: str, body: object = None) -> AsyncIterator[Exchange]:
    """An answer whose head was read. body: bytes as they are, or JSON data."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    async with await trio.open_unix_socket(served.path) as stream:
        exchange = Exchange(stream)
        await exchange.begin(method, path, content)
        yield exchange


async def ask(served: Served, method: str, path: str, body: object = None) -> tuple[Exchange, Any]:
    """An answer and its body: as JSON where it is that, else as text."""
    async with exchanging(served, method, path, body) as exchange:
        text = (await exchange.read_all()).decode()
    return exchange, json.loads(text) if exchange.header("content-type").endswith(("/json", "+json")) else text


@contextmanager
def silent_client(served: Served, request: str) -> Iterator[socket.socket]:
    """A client that has asked and does not read."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(served.path)
        client.sendall(f"{request} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield client
