"""The body of a request, bounded, and of a response that grows, ended when its client leaves. Floor: api."""

from collections.abc import Awaitable, Callable

import trio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.problems import Kind, problem_response

MOST_BYTES = 64 * 1024
"""Of a request's body."""

Write = Callable[[bytes], Awaitable[None]]
Produce = Callable[[Write], Awaitable[None]]


class BodyLimit:
    """An ASGI application around another, which is called only when the whole body is there and is not too large.

    So a body that nobody reads cannot fill the queue through which the server hands it over; it waits for room in that
    queue even to say that the client has left.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MOST_BYTES:
                await _refuse(scope, receive, send)
                return
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, receive_again, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    response = problem_response(
        scope["path"],
        413,
        f"the body has more than {MOST_BYTES} bytes",
        Kind.INVALID,
        errors=[],
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_wait_disconnected, receive)
        await response(scope, receive, send)
        nursery.cancel_scope.cancel()


class GrowingResponse(Response):
    """A response whose body is written as it comes about; what writes it is cancelled when the client leaves.

    An error in the midst of it cuts the connection, so that the client sees that something is missing.
    """

    def __init__(self, produce: Produce, media_type: str) -> None:
        self._produce = produce
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers({"Cache-Control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

        async def write(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as producing:

                async def listen() -> None:
                    await _wait_disconnected(receive)
                    producing.cancel()

                nursery.start_soon(listen)
                if scope["method"] != "HEAD":
                    await self._produce(write)
            if not producing.cancelled_caught:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            nursery.cancel_scope.cancel()


async def _wait_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
