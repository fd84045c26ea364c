"""An operator without an agent: it remembers what was asked, and a test says what becomes of it. Floor: testing."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import trio
from attrs import evolve

from orchestrator.model.action import Planned, Verb
from orchestrator.model.generation import Listed, RolledBack
from orchestrator.model.state import AgentState, NameState, PublicState
from orchestrator.ports import Operation, Part, Refused, UnknownName

AGENT = AgentState(
    pid=4200,
    pid_start_time=42,
    version="0",
    started_at=1_700_000_000.25,
    config="/etc/orchestrator",
    state="/var/lib/orchestrator",
    runtime="/usr/bin/runc",
    runtime_name="runc",
    settled=True,
)
"""An agent that has settled."""

UNDER_WAY: Mapping[Operation, PublicState] = {
    Operation.START: PublicState.STARTING,
    Operation.STOP: PublicState.STOPPING,
    Operation.RESTART: PublicState.STOPPING,
}
END: Mapping[Operation, PublicState] = {
    Operation.START: PublicState.RUNNING,
    Operation.STOP: PublicState.STOPPED,
    Operation.RESTART: PublicState.RUNNING,
}


class FakeOperator:
    """Implements `orchestrator.ports.Operator`.

    An operation ends at once and well, unless ``patient``: then each name is under way until `finish` says how it
    ended. ``calls`` has every call that did not fail: the method's name and what it was given.
    """

    def __init__(self, states: Iterable[NameState] = (), *, agent: AgentState = AGENT, patient: bool = False) -> None:
        self.agent = agent
        self.patient = patient
        self.states = {state.name: state for state in states}
        self.planned = tuple(Planned(name=name, verb=Verb.NOTHING) for name in sorted(self.states))
        self.parts: dict[tuple[str, Part], dict[str, Any]] = {}
        self.generations: tuple[Listed, ...] = ()
        self.calls: list[tuple[str, object]] = []
        self._failures: dict[str, Exception] = {}
        self._under_way: dict[str, trio.Event] = {}
        self._called = trio.Event()

    def fail(self, method: str, error: Exception) -> None:
        """Let every further call of a method raise ``error`` and do nothing."""
        if not callable(getattr(type(self), method, None)):
            raise ValueError(f"an operator has no {method!r}")
        self._failures[method] = error

    def finish(self, name: str, state: PublicState | None, message: str = "") -> None:
        """What was under way for a name has ended, in this state; None: the name is gone. Raises KeyError if nothing
        was under way."""
        if state is None:
            del self.states[name]
        else:
            self._put(name, state, message)
        self._under_way.pop(name).set()

    async def wait_called(self, method: str) -> None:
        """Wait until a method was called, at once if it was already."""
        while method not in [called for called, _ in self.calls]:
            await self._called.wait()

    def list_states(self) -> tuple[NameState, ...]:
        """See `orchestrator.ports.Operator`."""
        self._record("list_states", None)
        return tuple(self.states[name] for name in sorted(self.states))

    async def plan(self) -> tuple[Planned, ...]:
        """See `orchestrator.ports.Operator`."""
        await trio.lowlevel.checkpoint()
        self._record("plan", None)
        return self.planned

    async def show(self, name: str, part: Part) -> dict[str, Any]:
        """See `orchestrator.ports.Operator`. Refused where ``parts`` has nothing."""
        await trio.lowlevel.checkpoint()
        self._record("show", (name, part))
        self._check(name)
        if (name, part) not in self.parts:
            raise Refused(f'there is no {part.value} of "{name}": nothing of it runs')
        return self.parts[name, part]

    def operate(self, operation: Operation, names: Collection[str] | None) -> tuple[str, ...]:
        """See `orchestrator.ports.Operator`."""
        asked = tuple(dict.fromkeys(names)) if names is not None else tuple(sorted(self.states))
        self._record("operate", (operation, asked))
        for name in asked:
            self._check(name)
        for name in asked:
            if self.patient:
                self._put(name, UNDER_WAY[operation])
                self._under_way.setdefault(name, trio.Event())
            else:
                self._put(name, END[operation])
        return asked

    def list_generations(self) -> tuple[Listed, ...]:
        """See `orchestrator.ports.Operator`."""
        self._record("list_generations", None)
        return self.generations

    async def roll_back(self, number: int | None) -> RolledBack:
        """See `orchestrator.ports.Operator`. Refused where ``generations`` has none of that number; without one it is
        the second last."""
        await trio.lowlevel.checkpoint()
        self._record("roll_back", number)
        numbers = [each.number for each in self.generations]
        chosen = number if number is not None else (numbers[-2] if len(numbers) > 1 else 0)
        if chosen not in numbers:
            raise Refused(f"there is no generation {chosen}")
        self._pin(chosen)
        return RolledBack(generation=chosen)

    async def resume(self) -> None:
        """See `orchestrator.ports.Operator`."""
        await trio.lowlevel.checkpoint()
        self._record("resume", None)
        if self.agent.pinned is None:
            raise Refused("no generation is pinned: the directory is followed")
        self._pin(None)

    def _pin(self, number: int | None) -> None:
        self.agent = evolve(self.agent, pinned=number)

    async def wait_done(self, name: str) -> NameState | None:
        """See `orchestrator.ports.Operator`."""
        await trio.lowlevel.checkpoint()
        self._record("wait_done", name)
        if name in self._under_way:
            await self._under_way[name].wait()
        return self.states.get(name)

    def send_signal(self, name: str, number: int) -> None:
        """See `orchestrator.ports.Operator`. Refused where the state has no pid."""
        self._record("send_signal", (name, number))
        self._check(name)
        if self.states[name].pid is None:
            raise Refused(f'"{name}" does not run: it is {self.states[name].state.value}')

    def shut_down(self) -> None:
        """See `orchestrator.ports.Operator`."""
        self._record("shut_down", None)

    def _put(self, name: str, state: PublicState, message: str = "") -> None:
        runs = state is PublicState.RUNNING
        old = self.states[name]
        pid = (old.pid or 4242) if runs else None
        self.states[name] = evolve(old, state=state, ready=runs, pid=pid, message=message)

    def _check(self, name: str) -> None:
        if name not in self.states:
            raise UnknownName(name, self.states)

    def _record(self, method: str, given: object) -> None:
        if method in self._failures:
            raise self._failures[method]
        self.calls.append((method, given))
        self._called.set()
        self._called = trio.Event()
