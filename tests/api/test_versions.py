"""The versions of HTTP that the server is spoken to in: one request a connection of HTTP/1.1, any number of HTTP/2."""

import json
from pathlib import Path

import h2.connection
import h2.events
import pytest
import trio

from tests.api.helpers_api import exchanging, serving

UPGRADE = (
    b"GET /v1/containers HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: \r\n\r\n"
)


class Http2Client:
    """One connection of HTTP/2."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._connection = h2.connection.H2Connection()
        self.bodies: dict[int, bytes] = {}
        self.statuses: dict[int, str] = {}
        self.ended: set[int] = set()

    async def begin(self) -> None:
        """With the knowledge that the server speaks HTTP/2 (RFC 9113, 3.3)."""
        self._connection.initiate_connection()
        await self._flush()

    async def begin_upgraded(self) -> None:
        """By an upgrade of HTTP/1.1, whose request becomes that of stream 1 (RFC 7540, 3.2)."""
        await self._stream.send_all(UPGRADE)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += await self._receive()
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        self._connection.initiate_upgrade_connection()
        self._take(self._connection.receive_data(rest))
        await self._flush()

    async def ask(self, *paths: str) -> list[int]:
        """Ask for all these at once; returns the numbers of the streams."""
        streams = []
        for path in paths:
            stream = self._connection.get_next_available_stream_id()
            head = [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "localhost")]
            self._connection.send_headers(stream, head, end_stream=True)
            streams.append(stream)
        await self._flush()
        return streams

    async def wait_ended(self, *streams: int) -> None:
        """Read until these are answered whole."""
        while not self.ended.issuperset(streams):
            self._take(self._connection.receive_data(await self._receive()))
            await self._flush()

    async def _receive(self) -> bytes:
        data = await self._stream.receive_some()
        assert data, "the server has closed the connection"
        return bytes(data)

    async def _flush(self) -> None:
        await self._stream.send_all(self._connection.data_to_send())

    def _take(self, events: list[h2.events.Event]) -> None:
        for event in events:
            assert not isinstance(event, h2.events.ConnectionTerminated | h2.events.StreamReset), event
            match event:
                case h2.events.ResponseReceived(stream_id=int(stream), headers=headers):
                    self.statuses[stream] = dict(headers or ())[b":status"].decode()
                case h2.events.DataReceived(stream_id=int(stream), data=data):
                    self.bodies[stream] = self.bodies.get(stream, b"") + (data or b"")
                case h2.events.StreamEnded(stream_id=int(stream)):
                    self.ended.add(stream)
                case _:
                    continue


@pytest.mark.parametrize("upgraded", [False, True])
async def test_a_client_of_http_2_is_answered_as_often_as_it_asks(tmp_path: Path, upgraded: bool) -> None:
    async with serving(tmp_path) as served:
        async with await trio.open_unix_socket(served.path) as stream:
            client = Http2Client(stream)
            if upgraded:
                await client.begin_upgraded()
                await client.wait_ended(1)
            else:
                await client.begin()
            streams = await client.ask("/v1/containers", "/v1/agent", "/nothing")
            await client.wait_ended(*streams)
            assert [client.statuses[each] for each in streams] == ["200", "200", "404"]
            (again,) = await client.ask("/v1/containers")
            await client.wait_ended(again)
            assert json.loads(client.bodies[again]) == json.loads(client.bodies[streams[0]])
        assert served.said == []


@pytest.mark.parametrize(("path", "status"), [("/v1/containers", 200), ("/nothing", 404)])
async def test_a_connection_of_http_1_ends_with_its_answer(tmp_path: Path, path: str, status: int) -> None:
    async with serving(tmp_path) as served, exchanging(served, "GET", path) as exchange:
        assert (exchange.status, exchange.header("connection")) == (status, "close")
        await exchange.read_all()
        assert await exchange._stream.receive_some() == b""
