"""Agents one after the other that share their generations, for tests in virtual time."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from orchestrator.model.generation import Changed
from orchestrator.tasks.history import TOGETHER
from orchestrator.tasks.operate import AgentOperator
from orchestrator.testing.disk import FakeDisk
from orchestrator.testing.runtime import FakeRuntime
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage

OTHER = f'{WEB}cwd = "/srv"\n'
THIRD = f'{WEB}cwd = "/tmp"\n'
BROKEN = f"{WEB}env = 3\n"


@asynccontextmanager
async def open_after_boot(
    before: Stage, files: dict[str, str], prepare: Callable[[Stage], None] = lambda stage: None
) -> AsyncIterator[Stage]:
    """An agent that has the generations of another, and nothing else of it."""
    left = Wreck(before)
    left.runtime, left.disk = FakeRuntime(), FakeDisk()
    async with open_stage(files, prepare, left) as stage:
        yield stage


async def make_before(*states: dict[str, str]) -> Stage:
    """An agent that is gone, and saw these states of its directory: a generation each."""
    async with open_stage(states[0]) as stage:
        await settle_long(stage)
        for state in states[1:]:
            change(stage, state)
            await settle_long(stage)
    return stage


def change(stage: Stage, files: dict[str, str]) -> None:
    """Make the directory say this."""
    for source in stage.directory.sources:
        if source.name not in files:
            stage.directory.remove(source.name, source.form)
    for name, text in files.items():
        stage.directory.write(name, text)


async def settle_long(stage: Stage) -> None:
    """Long enough for a generation too, and for the grace of a file that has vanished."""
    await trio.sleep(2 * TOGETHER)
    await stage.settle()


def operator_of(stage: Stage) -> AgentOperator:
    return AgentOperator(stage.reconciler, stage.holds, stage.history, stage.reporter, lambda: None)


async def roll_back(stage: Stage, number: int | None = None) -> None:
    await operator_of(stage).roll_back(number)
    await stage.settle()


def cwd_of(stage: Stage, name: str) -> str | None:
    """What tells the definitions of these tests apart, of the one that is live."""
    cwd: str | None = stage.state(name).fields.get("cwd")
    return cwd


def changes_of(stage: Stage) -> list[Changed]:
    return [stage.generations.generations[number].head.changed for number in sorted(stage.generations.generations)]
