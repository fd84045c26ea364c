"""A probe by HTTP/1.1 (RFC 9112), over a connection that is there. Loaded with the first such probe. Floor: system.

Only the head of the answer decides. What follows is read as far as it comes, since a server that is cut off in the
midst of a page may complain of it.
"""

import ssl

import h11
import trio

from orchestrator.model.health import HttpHealth

LARGEST = 64 * 1024
"""Bytes of an answer that are read; h11 itself refuses a head that is larger than 16 KiB."""

_CHUNK = 4096
_CUT_OFF = "the connection was closed without an answer"


class HttpProbe:
    """One request. ``why``: why it is not well, in one line, as far as is known; empty where it is well."""

    def __init__(self, health: HttpHealth) -> None:
        self.why = f"no answer within {health.timeout:g} s"
        self._health = health
        self._http = h11.Connection(h11.CLIENT)
        self._answered = False
        self._read = 0

    async def ask(self, connection: trio.socket.SocketType) -> None:
        """Ask, which takes as long as the server likes. Takes the connection, and closes it."""
        stream: trio.abc.Stream = trio.SocketStream(connection)
        try:
            if self._health.tls:
                stream = trio.SSLStream(stream, _make_context(), server_hostname=None)
            await self._ask(stream)
        except (trio.BrokenResourceError, h11.RemoteProtocolError) as error:
            self._fail(_explain(error))
        finally:
            await trio.aclose_forcefully(stream)

    async def _ask(self, stream: trio.abc.Stream) -> None:
        await stream.send_all(self._make_request())
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Response):
                self._answered = True
                self.why = "" if 200 <= event.status_code < 400 else f"HTTP {event.status_code}"
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return
            elif event is h11.NEED_DATA:
                data = bytes(await stream.receive_some(_CHUNK))
                self._read += len(data)
                if not data or self._read > LARGEST:
                    self._fail("its answer has no end" if data else _CUT_OFF)
                    return
                self._http.receive_data(data)

    def _make_request(self) -> bytes:
        host = f"[{self._health.host}]" if ":" in self._health.host else self._health.host
        request = h11.Request(
            method="GET",
            target=self._health.path,
            headers=[
                ("Host", f"{host}:{self._health.port}"),
                ("User-Agent", "orchestrator"),
                ("Accept", "*/*"),
                ("Connection", "close"),
            ],
        )
        return (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")

    def _fail(self, why: str) -> None:
        """What goes wrong after the head changes nothing."""
        if not self._answered:
            self.why = why


def _make_context() -> ssl.SSLContext:
    """Whether it is well is asked, not whether it is who it says: it is reached by an address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _explain(error: Exception) -> str:
    if isinstance(error, h11.RemoteProtocolError):
        return "what it answers is no HTTP"
    cause = error.__cause__
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {(cause.reason or 'failed').lower().replace('_', ' ')}"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return _CUT_OFF
