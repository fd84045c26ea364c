"""hypercorn, set up to serve on a socket that is bound already, without a word of its own. Loaded late, see `server`.

Floor: api.
"""

import logging
import math
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import hypercorn.trio
from hypercorn.config import Config, Sockets
from hypercorn.logging import Logger
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.app import BrokenOff, make_app
from orchestrator.api.needs import Listener, Streams
from orchestrator.ports import Operator, single_errors

Say = Callable[[str], None]

IDLE = 5.0
"""Seconds that a client may take to ask after it has connected. hypercorn notices one that hangs up only after them."""


async def run_worker(operator: Operator, streams: Streams, listener: Listener, say: Say) -> None:
    """Serve until the listener listens elsewhere, and then those who are connected to their end."""
    descriptor = listener.fileno()
    config = _PrivateConfig()
    config.bind = [f"fd://{os.dup(descriptor)}"]  # hypercorn closes what it is given
    config.logger_class = lambda config: _Voice(config, say)  # type: ignore[assignment]
    config.errorlog = None
    config.include_server_header = False
    config.keep_alive_timeout = IDLE
    # hypercorn counts for HTTP/2 too, which it cannot be told not to speak, and breaks off the request that is one too
    # many instead of answering it. So the limit is ours (`_OneRequest`).
    config.keep_alive_max_requests = sys.maxsize
    config.graceful_timeout = math.inf
    accepting = logging.getLogger("trio.serve_listeners")
    accepting.handlers, accepting.propagate = [_AcceptHandler(say)], False
    app: Any = _OneRequest(
        make_app(operator, streams, listener.path)
    )  # hypercorn's type of an ASGI application is its own
    replaced = partial(listener.wait_replaced, descriptor)
    await hypercorn.trio.serve(app, config, shutdown_trigger=replaced, mode="asgi")


class _OneRequest:
    """An ASGI application around another: a connection of HTTP/1.1 ends with its first answer, so that none rests with
    its descriptor after its client. One of HTTP/2 is read all the time, and ends when its client does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        # HTTP/2 knows no such header (RFC 9113, 8.2.2).
        one = scope["type"] == "http" and scope["http_version"].startswith("1")
        await self._app(scope, receive, send_last if one else send)


class _PrivateConfig(Config):
    """hypercorn makes its sockets inheritable: a container must not get this one."""

    def create_sockets(self) -> Sockets:
        sockets = super().create_sockets()
        for listening in sockets.insecure_sockets:
            listening.set_inheritable(False)
        return sockets


class _Voice(Logger):
    """What hypercorn has to say, brought down to what its user must know: the errors of our own application."""

    def __init__(self, config: Config, say: Say) -> None:
        super().__init__(config)
        self._say = say

    async def exception(self, message: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as hypercorn has it
        """Called while the error is handled."""
        for error in single_errors(sys.exc_info()[1]):
            if isinstance(error, BrokenOff):
                self._say(f"a stream at the control socket has ended: {error}")
            else:
                self._say(f"internal error at the control socket: {_describe(error)}")


class _AcceptHandler(logging.Handler):
    """trio logs, with a traceback, each time that there is no descriptor left for a client, and tries again."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say
        self._said = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = str(record.exc_info[1]) if record.exc_info else record.getMessage()
        if text != self._said:  # ten times a second it would be
            self._said = text
            self._say(f"cannot accept a client at the control socket: {text}")


def _describe(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})" if trace is not None else ""
    return f"{type(error).__name__}: {error}{where}"
