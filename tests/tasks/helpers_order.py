"""Definitions that name each other, and what is seen of their order, for tests in virtual time."""

import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import trio

from orchestrator.model.eventlog import RecordKind
from orchestrator.ports import Operation
from orchestrator.tasks.operate import AgentOperator
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_reconcile import WEB, Stage

SLOW = 5.0
"""Seconds that a create takes in these tests."""
HOURS = 10 * 3600.0
DEAF = FakeProgram(ignores=frozenset({signal.SIGTERM}))
GIVES_UP = 'restart.on_failure = "stop"\n'


def service(*, after: Sequence[str] = (), requires: Sequence[str] = (), more: str = "") -> str:
    return f"{WEB}after = {list(after)}\nrequires = {list(requires)}\n{more}"


def naming(word: str, name: str) -> str:
    return f'{WEB}{word} = ["{name}"]\n'


def oneshot(*, after: Sequence[str] = (), requires: Sequence[str] = (), more: str = "") -> str:
    return service(after=after, requires=requires, more=f'type = "oneshot"\n{more}')


def slow(stage: Stage) -> None:
    stage.runtime.delays["create"] = SLOW


def operate(stage: Stage, operation: Operation, *names: str) -> tuple[str, ...]:
    operator = AgentOperator(stage.reconciler, stage.holds, stage.history, stage.reporter, lambda: None)
    return operator.operate(operation, names or None)


@asynccontextmanager
async def open_busy(
    files: Mapping[str, str], prepare: Callable[[Stage], None] = lambda stage: None
) -> AsyncIterator[Stage]:
    """A stage of which something is under way for ever, so that it does not settle."""
    stage = Stage(files)
    prepare(stage)
    async with trio.open_nursery() as nursery:
        await stage.history.recall_pin()
        await nursery.start(stage.reconciler.run, nursery)
        await trio.sleep(100)
        yield stage
        nursery.cancel_scope.cancel()


def started_at(stage: Stage, name: str) -> float:
    at = stage.state(name).started_at
    assert at is not None, f"{name} has not started"
    return at


def told(stage: Stage, *kinds: RecordKind) -> list[str]:
    """The names to which something of these kinds happened, in that order."""
    return [record.name for record in stage.disk.records if record.kind in kinds]


def removed(stage: Stage) -> list[str]:
    """The names whose instances were removed, in that order: each as soon as it has ended."""
    return [identity.rpartition("-")[0] for method, identity in stage.runtime.calls if method == "remove"]


def words(stage: Stage) -> dict[str, str]:
    return {name: state.state.value for name, state in sorted(stage.disk.names.items())}


def message(stage: Stage, name: str) -> str:
    return stage.state(name).message


def finish(stage: Stage, name: str, code: int) -> None:
    stage.runtime.process_of(name).finish(code=code)
