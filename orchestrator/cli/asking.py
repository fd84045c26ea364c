"""Whether an agent is there to be asked, and asking it. Floor: cli."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from orchestrator.cli.errors import warn
from orchestrator.core.encode import from_plain
from orchestrator.model.layout import Layout
from orchestrator.model.problem import Problem
from orchestrator.model.state import AgentState
from orchestrator.system.socketpath import shorten_path
from orchestrator.system.states import is_alive, read_agent

if TYPE_CHECKING:
    from orchestrator.api.client import Client

T = TypeVar("T")


def find_agent(layout: Layout) -> AgentState | None:
    """The agent of a run directory, if it lives. Raises DiskFailed."""
    agent = read_agent(layout)
    lives = isinstance(agent, AgentState) and is_alive(agent.pid, agent.pid_start_time)
    return agent if isinstance(agent, AgentState) and lives else None


def ask_agent(layout: Layout, question: "Callable[[Client], Awaitable[T]]") -> T:
    """What the agent answers. The problems because of which it refuses are told on stderr.

    Raises what `orchestrator.api.client.Client` raises."""
    import trio  # these take a quarter of a second to load, for nothing where no agent is

    from orchestrator.api.client import ApiProblem

    async def ask() -> T:
        async with open_client(layout.control) as client:
            return await question(client)

    try:
        return trio.run(ask)
    except ApiProblem as error:
        for problem in error.members.get("problems", ()):
            warn(str(from_plain(Problem, problem)))
        raise


@asynccontextmanager
async def open_client(path: str) -> "AsyncIterator[Client]":
    """A client of the agent whose socket is at ``path``, which may be of any length. Raises NoAgent, NotAllowed."""
    from orchestrator.api.client import Client, explain_connect

    with ExitStack() as stack:
        try:
            address = stack.enter_context(shorten_path(path))
        except OSError as error:
            raise explain_connect(error, path) from error
        async with Client(path, address) as client:
            yield client
