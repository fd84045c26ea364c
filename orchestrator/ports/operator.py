"""What may be asked of the agent while it runs. Floor: ports."""

from collections.abc import Collection
from enum import Enum
from typing import Any, Protocol

from orchestrator.model.action import Planned
from orchestrator.model.generation import Listed, RolledBack
from orchestrator.model.state import AgentState, NameState


class Part(Enum):
    """What there is to show of a container."""

    DEFINITION = "definition"
    """Its definition as it is live, defaults in."""
    SPEC = "spec"
    """What it was resolved to."""
    CONFIG = "config"
    """The config.json of its instance, without what its files of variables say."""
    ORIGINS = "origins"
    """Who contributed each part of its config: a list below ``parts``."""


class Operation(Enum):
    """What an operator may ask for of several containers."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


class Operator(Protocol):
    """What may be asked of the agent while it runs. Names that are not there raise UnknownName."""

    @property
    def agent(self) -> AgentState:
        """The agent itself."""
        ...

    def list_states(self) -> tuple[NameState, ...]:
        """Every name's state, by name."""
        ...

    async def plan(self) -> tuple[Planned, ...]:
        """What reading the directory now would lead to, name by name, also for those of which nothing would be done."""
        ...

    async def show(self, name: str, part: Part) -> dict[str, Any]:
        """A part of what a container is, as JSON data. Raises Refused where there is no such part (yet)."""
        ...

    def operate(self, operation: Operation, names: Collection[str] | None) -> tuple[str, ...]:
        """Begin an operation on the names (None: on all). Returns them in the order in which it works on them, with
        those that are started since they are required. What holds from now on is written down before this returns.
        Raises UnknownName, Refused or DiskFailed before anything is done."""
        ...

    def list_generations(self) -> tuple[Listed, ...]:
        """The generations that are kept, the oldest first. Raises DiskFailed."""
        ...

    async def roll_back(self, number: int | None) -> RolledBack:
        """Follow a generation (None: the one before that which is live) instead of the directory from now on, over an
        agent's end and a boot. What holds is written down before anything follows from it. Raises Refused where there
        is no such generation, Damaged, DiskFailed."""
        ...

    async def resume(self) -> None:
        """Follow the directory again. Raises Refused where no generation is pinned, DiskFailed."""
        ...

    async def wait_done(self, name: str) -> NameState | None:
        """Wait until nothing is under way for a name; its state, or None if it is gone."""
        ...

    def send_signal(self, name: str, number: int) -> None:
        """Send a signal to the first process of a container. Raises Refused where none runs."""
        ...

    def shut_down(self) -> None:
        """Stop all containers, then end the agent. Returns at once."""
        ...
