"""An agent after another one, over the fakes that the first has left."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager

import trio

from orchestrator.model.layout import Layout
from orchestrator.model.state import InstanceState, NameState
from orchestrator.tasks.takeover import Left, Stocktaking
from orchestrator.tasks.undo import undo_strays
from tests.tasks.helpers_reconcile import Stage, Wreck

BOOT = "a-boot"


def start_time_of(pid: int) -> int | None:
    """As the fake processes have it."""
    return pid * 100


async def take_stock(
    stage: Stage,
    *,
    instances: Mapping[str, InstanceState] | None = None,
    names: Mapping[str, NameState] | None = None,
    folders: Collection[str] = (),
    boot: str = BOOT,
) -> Left:
    """What a next agent finds. instances, names: the files that are whole, all of them unless others are given.
    folders: ids of damaged files, beside those that have a folder and no file."""
    disk = stage.disk
    states = disk.instances if instances is None else instances
    stocktaking = Stocktaking(
        runtime=stage.runtime,
        processes=stage.runtime,
        read_origin=disk.origins.get,
        start_time=start_time_of,
        say=stage.lines.append,
        now=trio.current_time(),
        shift=0.0,
        boot=boot,
    )
    found = {*folders, *(identity for identity in disk.prepared if identity not in states)}
    return await stocktaking.take_stock(states.values(), (disk.names if names is None else names).values(), found)


@asynccontextmanager
async def open_next(
    files: Mapping[str, str],
    wreck: Wreck,
    prepare: Callable[[Stage], None] = lambda stage: None,
    *,
    settled: bool = True,
) -> AsyncIterator[Stage]:
    """The next agent, as `orchestrator.agent` begins it, after its first plan unless not ``settled``."""
    stage = Stage(files, wreck)
    prepare(stage)
    left = await take_stock(stage)
    await undo_strays(left.strays, stage.runtime, stage.disk, Layout("/state", "/run"), "/agent", 2, stage.lines.append)
    for name in stage.disk.names.keys() - {one.name for one in left.adopted}:
        del stage.disk.names[name]
    async with trio.open_nursery() as nursery:
        await stage.history.recall()
        stage.reconciler.take_over(left.adopted, nursery)
        await nursery.start(stage.reconciler.run, nursery)
        if settled:
            await stage.settle()
        yield stage
        nursery.cancel_scope.cancel()
