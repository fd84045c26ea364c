"""The other end of the control socket: what the agent answers, as values, and each way in which it may not answer.

By httpcore, which is the part of httpx that speaks HTTP, and loads in a third of its time. Floor: api.
"""

import errno
import json
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpcore
import trio

from orchestrator.api.outcome import Outcome
from orchestrator.core.encode import from_plain
from orchestrator.model.action import Planned
from orchestrator.model.generation import RolledBack
from orchestrator.ports import Operation, OutsideError, Part, UnknownName

PATIENCE = 30.0
"""Seconds that an agent may take to begin its answer. What it answers as it comes about may take any time."""
LATER = "; what it was asked it does when it goes on"
"""What there is to know of an agent that hangs: the kernel keeps for it what was sent to its socket."""


class NoAgent(OutsideError):
    """Nobody listens at the socket."""


class NotAllowed(OutsideError):
    """The socket, or the way to it, is not for this user."""


class NoAnswer(OutsideError):
    """The agent has broken off, does not answer, or answers what no agent answers."""


class ApiProblem(OutsideError):
    """The agent's answer is an error, as RFC 9457 has it. ``str(error)`` is its detail; ``members`` is all of it."""

    def __init__(self, status: int, title: str, detail: str, members: dict[str, Any]) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.members = members


class Client:
    """A connection to the agent whose socket is at ``path``; an asynchronous context manager.

    address: what to connect by, where the path is too long for it (`orchestrator.system.socketpath`). Every method
    raises NoAgent, NotAllowed, NoAnswer and ApiProblem, unless it says otherwise.
    """

    def __init__(self, path: str, address: str | None = None) -> None:
        self._path = path
        self._pool = httpcore.AsyncConnectionPool(uds=address or path)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._pool.aclose()

    async def agent(self) -> dict[str, Any]:
        """The agent itself: an `AgentState` as data, times as RFC 3339 has them."""
        data: dict[str, Any] = await self._ask("GET", "/v1/agent")
        return data

    async def containers(self) -> list[dict[str, Any]]:
        """All containers, as ``status --json`` has them."""
        rows: list[dict[str, Any]] = await self._ask("GET", "/v1/containers")
        return rows

    async def plan(self) -> tuple[Planned, ...]:
        """What reading the directory now would lead to."""
        answer = await self._ask("GET", "/v1/plan")
        with self._explained():
            return tuple(from_plain(Planned, item) for item in answer)

    async def show(self, name: str, part: Part) -> dict[str, Any]:
        """A part of what a container is."""
        data: dict[str, Any] = await self._ask("GET", f"{_container(name)}/{part.value}")
        return data

    async def send_signal(self, name: str, signal: str) -> None:
        """Send a signal, by its name, to the first process of a container. Raises UnknownName too, as `show` does."""
        await self._ask("POST", f"{_container(name)}/kill", {"signal": signal})

    async def shut_down(self) -> None:
        """Ask the agent to end, after its containers. Returns at once."""
        await self._ask("POST", "/v1/shutdown")

    async def roll_back(self, number: int | None) -> RolledBack:
        """Follow a generation (None: the one before the live one) instead of the directory."""
        answer = await self._ask("POST", "/v1/rollback", {} if number is None else {"generation": number})
        with self._explained():
            return from_plain(RolledBack, answer)

    async def resume(self) -> None:
        """Follow the directory again."""
        await self._ask("POST", "/v1/resume")

    async def operate(
        self, operation: Operation, names: Collection[str] | None, *, wait: bool = True
    ) -> AsyncGenerator[Outcome, None]:
        """Begin an operation on the names (None: on all), and what becomes of each, as it is done. It goes on without
        whoever asked for it. To be closed (`contextlib.aclosing`) by who may not read it to its end."""
        which: dict[str, Any] = {"all": True} if names is None else {"names": list(names)}
        async with self._open("POST", f"/v1/{operation.value}", {**which, "wait": wait}) as response:
            pieces, begun = response.aiter_stream(), b""
            while True:
                with self._explained():
                    piece = await anext(pieces, None)
                    if piece is None:
                        return
                    *lines, begun = (begun + piece).split(b"\n")
                    outcomes = [Outcome(**json.loads(line)) for line in lines]
                for outcome in outcomes:
                    yield outcome

    async def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON data
        """The answer as JSON data; None where there is none."""
        async with self._open(method, path, body) as response:
            with self._explained(), trio.fail_after(PATIENCE):
                text = await response.aread()
                return json.loads(text) if text else None

    @asynccontextmanager
    async def _open(self, method: str, path: str, body: object) -> AsyncIterator[httpcore.Response]:
        """An answer whose head says that all is well. Raises ApiProblem."""
        content = None if body is None else json.dumps(body).encode()
        headers = [("Content-Type", "application/json")] if body is not None else []
        asked = self._pool.stream(method, f"http://localhost{path}", headers=headers, content=content)
        async with AsyncExitStack() as stack:
            with self._explained(LATER if method == "POST" else ""), trio.fail_after(PATIENCE):
                response = await stack.enter_async_context(asked)
                if response.status >= 400:
                    raise _problem_of(json.loads(await response.aread()))
            yield response

    @contextmanager
    def _explained(self, later: str = "") -> Iterator[None]:
        """Turn what the libraries raise into what there is to say of it. later: what more of an agent that is late."""
        try:
            yield
        except httpcore.ConnectError as error:
            raise explain_connect(error.args[0] if error.args else error, self._path) from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise NoAnswer(f"the agent at {self._path} has broken off in the midst of its answer") from error
        except trio.TooSlowError as error:
            raise NoAnswer(f"the agent at {self._path} does not answer within {PATIENCE:g} s{later}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise NoAnswer(f"what answers at {self._path} is no agent of this version: {error}") from error


def _container(name: str) -> str:
    """Raises UnknownName for what would lead elsewhere, and can be no name."""
    if "/" in name:
        raise UnknownName(name, ())
    return f"/v1/containers/{quote(name, safe='')}"


def _problem_of(members: dict[str, Any]) -> ApiProblem:
    return ApiProblem(int(members["status"]), str(members["title"]), str(members["detail"]), members)


def explain_connect(reason: object, path: str) -> NoAgent | NotAllowed:
    """What there is to say of the error because of which there is no connection."""
    number = reason.errno if isinstance(reason, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        return NotAllowed(f"only root and the agent's own user may talk to it ({path})")
    if number in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
        return NoAgent(f"no agent listens at {path}: start it with `orchestrator run`")
    return NoAgent(f"cannot connect to {path}: {reason}")
