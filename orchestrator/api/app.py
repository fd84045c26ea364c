"""The interface itself: each route and what it asks of the operator. What is asked is read in `ask`, errors are
answered in `problems`; that somebody listens is left to `server`. Floor: api.
"""

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs
import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from orchestrator.api.ask import read_generation, read_nothing, read_signal, read_span, read_wish
from orchestrator.api.body import BodyLimit, GrowingResponse, Write
from orchestrator.api.needs import Pieces, Streams
from orchestrator.api.openapi import LINES, TEXT, describe_interface
from orchestrator.api.outcome import Outcome, accept_outcome, judge_outcome
from orchestrator.api.problems import Invalid, UnknownNames, answer_invalid, answer_outside, problem_response
from orchestrator.core.encode import to_plain
from orchestrator.core.history import listed_to_json
from orchestrator.core.planned import planned_to_json
from orchestrator.core.status import format_time, make_rows, row_to_json
from orchestrator.core.values import signal_number
from orchestrator.model.bundle import LogTarget
from orchestrator.model.state import AgentState, NameState
from orchestrator.ports import Operation, Operator, OutsideError, Part, Refused, UnknownName

Endpoint = Callable[[Request], Awaitable[Response]]


class BrokenOff(Exception):
    """A response that had begun cannot go on; ``str(error)`` says why."""


def make_app(operator: Operator, streams: Streams, path: str) -> Starlette:
    """The ASGI application. path: the socket's, for whoever looks for the first time.

    An error that is a defect is answered with 500 and raised again, for the server to say."""
    routes = _Routes(operator, streams, path)
    app = Starlette(
        routes=routes.make(),
        exception_handlers={
            HTTPException: _answer_http,
            Invalid: answer_invalid,
            OutsideError: answer_outside,
            Exception: _answer_defect,
        },
    )
    app.router.redirect_slashes = False
    app.add_middleware(BodyLimit)
    return app


class _Routes:
    """The endpoints, one method each."""

    def __init__(self, operator: Operator, streams: Streams, path: str) -> None:
        self._operator = operator
        self._streams = streams
        self._path = path

    def make(self) -> list[Route]:
        """Every route; those without parameters refuse any."""
        one = "/v1/containers/{name}"
        return [
            _route("/", self.greet),
            _route("/openapi.json", self.describe),
            _route("/v1/agent", self.show_agent),
            _route("/v1/containers", self.list_containers),
            _route(one, self.show_container),
            *(_route(f"{one}/{part.value}", self._show(part)) for part in Part),
            Route(f"{one}/logs", self.stream_logs),
            _route(f"{one}/kill", self.send_signal, method="POST"),
            _route("/v1/plan", self.plan),
            _route("/v1/generations", self.list_generations),
            _route("/v1/rollback", self.roll_back, method="POST"),
            _route("/v1/resume", self.resume, method="POST"),
            Route("/v1/events", self.stream_events),
            *(_route(f"/v1/{operation.value}", self._operate(operation), method="POST") for operation in Operation),
            _route("/v1/shutdown", self.shut_down, method="POST"),
        ]

    async def greet(self, request: Request) -> Response:
        return PlainTextResponse(_greeting(self._operator.agent, self._path))

    async def describe(self, request: Request) -> Response:
        return JSONResponse(describe_interface())

    async def show_agent(self, request: Request) -> Response:
        plain = to_plain(self._operator.agent)
        return JSONResponse({**plain, "started_at": format_time(plain["started_at"])})

    async def list_containers(self, request: Request) -> Response:
        return JSONResponse([_row_of(state) for state in self._operator.list_states()])

    async def show_container(self, request: Request) -> Response:
        return JSONResponse(_row_of(self._find(request.path_params["name"])))

    async def plan(self, request: Request) -> Response:
        return JSONResponse([planned_to_json(planned) for planned in await self._operator.plan()])

    async def send_signal(self, request: Request) -> Response:
        signal = await read_signal(request)
        self._operator.send_signal(request.path_params["name"], signal_number(signal))
        return Response(status_code=204)

    async def list_generations(self, request: Request) -> Response:
        return JSONResponse([listed_to_json(each) for each in self._operator.list_generations()])

    async def roll_back(self, request: Request) -> Response:
        return JSONResponse(to_plain(await self._operator.roll_back(await read_generation(request))))

    async def resume(self, request: Request) -> Response:
        await self._operator.resume()
        return Response(status_code=204)

    async def shut_down(self, request: Request) -> Response:
        self._operator.shut_down()
        return Response(status_code=202)

    async def stream_events(self, request: Request) -> Response:
        span = read_span(request.query_params, "name")
        if span.name is not None:
            self._find(span.name)
        return _PiecesResponse(await self._streams.events(span.lines, span.follow, span.name), LINES)

    async def stream_logs(self, request: Request) -> Response:
        span = read_span(request.query_params)
        state = self._find(request.path_params["name"])
        if state.log_target is not LogTarget.FILE:
            raise Refused(f'"{state.name}" has no log file: its log is {state.log_target.value}')
        return _PiecesResponse(await self._streams.logs(state.name, span.lines, span.follow), TEXT)

    def _show(self, part: Part) -> Endpoint:
        async def show(request: Request) -> Response:
            return JSONResponse(await self._operator.show(request.path_params["name"], part))

        return show

    def _operate(self, operation: Operation) -> Endpoint:
        async def operate(request: Request) -> Response:
            wish = await read_wish(request)
            if wish.names is not None:
                known = [state.name for state in self._operator.list_states()]
                if unknown := [name for name in wish.names if name not in known]:
                    raise UnknownNames(unknown, known)
            names = self._operator.operate(operation, wish.names)
            if wish.wait:
                return GrowingResponse(lambda write: self._report_done(operation, names, write), LINES)
            states = {state.name: state for state in self._operator.list_states()}
            now = time.time()
            outcomes = [accept_outcome(name, states.get(name), now) for name in names]
            return Response("".join(map(_line_of, outcomes)), media_type=LINES)

        return operate

    async def _report_done(self, operation: Operation, names: Sequence[str], write: Write) -> None:
        """One line per name, as each is done."""
        turn = trio.Lock()

        async def report(name: str) -> None:
            state = await self._operator.wait_done(name)
            async with turn:
                await write(_line_of(judge_outcome(operation, name, state, time.time())).encode())

        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(report, name)

    def _find(self, name: str) -> NameState:
        states = {state.name: state for state in self._operator.list_states()}
        if name not in states:
            raise UnknownName(name, states)
        return states[name]


def _route(path: str, endpoint: Endpoint, method: str = "GET") -> Route:
    async def checked(request: Request) -> Response:
        read_nothing(request.query_params)
        return await endpoint(request)

    return Route(path, checked, methods=[method])


class _PiecesResponse(GrowingResponse):
    """What is read of a log. That is closed whatever becomes of the response: with HEAD nothing is ever read of it."""

    def __init__(self, pieces: Pieces, media_type: str) -> None:
        super().__init__(self._hand_on, media_type)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._pieces.close()

    async def _hand_on(self, write: Write) -> None:
        try:
            async for piece in self._pieces:
                await write(piece)
        except OutsideError as error:
            raise BrokenOff(str(error)) from error


def _row_of(state: NameState) -> dict[str, Any]:
    (row,) = make_rows([state], [], agent_alive=True)
    return row_to_json(row)


def _line_of(outcome: Outcome) -> str:
    return json.dumps(attrs.asdict(outcome), allow_nan=False, separators=(",", ":")) + "\n"


async def _answer_http(request: Request, error: Exception) -> Response:
    """What the router says: no such page, or not with this method."""
    assert isinstance(error, HTTPException)
    path, headers = request.url.path, dict(error.headers or {})
    if error.status_code == 404:
        return problem_response(path, 404, f"there is nothing at {path}: see / and /openapi.json", headers=headers)
    if error.status_code == 405:
        allowed = ", ".join(sorted(headers.get("Allow", "").split(", ")))
        return problem_response(
            path, 405, f"{request.method} is not possible at {path}: {allowed} is", headers={"Allow": allowed}
        )
    return problem_response(path, error.status_code, error.detail, headers=headers)


async def _answer_defect(request: Request, error: Exception) -> Response:
    return problem_response(request.url.path, 500, f"internal error: {type(error).__name__}: {error}")


def _greeting(agent: AgentState, path: str) -> str:
    """What somebody reads who looks for the first time."""
    call = f"curl --unix-socket {path}"
    there = "http://localhost"
    return f"""\
orchestrator {agent.version} (pid {agent.pid}) with {agent.runtime_name}, definitions in {agent.config}

How the containers are, and what happens to them from now on:
  {call} {there}/v1/containers
  {call} -N '{there}/v1/events?follow=true'

One of them, and what it writes:
  {call} {there}/v1/containers/NAME
  {call} -N '{there}/v1/containers/NAME/logs?follow=true'

Stop one, start all, send a signal:
  {call} -N --json '{{"names": ["NAME"]}}' {there}/v1/stop
  {call} -N --json '{{"all": true}}' {there}/v1/start
  {call} --json '{{"signal": "SIGHUP"}}' {there}/v1/containers/NAME/kill

All there is:
  {call} {there}/openapi.json
"""
