"""An agent after another one, over the fakes that the first has left."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager

import trio

from orchestrator.model.cgroups import InstanceGroups
from orchestrator.model.eventlog import Record, RecordKind
from orchestrator.model.layout import Layout
from orchestrator.model.policy import OnExit, Restart, Stop
from orchestrator.model.resources import Resources
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState, NameState, Step
from orchestrator.ports import Processes
from orchestrator.tasks.operate import AgentOperator
from orchestrator.tasks.takeover import Left, Stocktaking
from orchestrator.tasks.undo import undo_kinds, undo_strays
from tests.tasks.helpers_reconcile import WEB, Stage, Wreck, open_stage

BOOT = "a-boot"
ONESHOT = WEB + 'type = "oneshot"\n'


def start_time_of(pid: int) -> int | None:
    """As the fake processes have it."""
    return pid * 100


def observe(stage: Stage, identity: str) -> InstanceState:
    """What can be seen of a container: the bundle only where its folder is there."""
    prepared = stage.disk.prepared.get(identity)
    return InstanceState(
        name=identity.rpartition("-")[0],
        instance=identity,
        bundle=prepared.bundle.digest if prepared is not None else "",
        runtime=stage.runtime.command,
        root=stage.runtime.root,
        folder=f"/run/instances/{identity}",
        rootfs="/x",
        cgroups_path=f"/agent/{identity}",
        log="/l",
        step=Step.RUNNING,
        created_at=0.0,
        resources=Resources(),
        limits_known=False,
        policy=Policy(oneshot=False, restart=Restart(on_success=OnExit.RESTART), stop=Stop()),
        boot=BOOT,
    )


async def take_stock(
    stage: Stage,
    *,
    instances: Mapping[str, InstanceState] | None = None,
    names: Mapping[str, NameState] | None = None,
    folders: Collection[str] = (),
    boot: str = BOOT,
    processes: Processes | None = None,
) -> Left:
    """What a next agent finds. instances, names: the files that are whole, all of them unless others are given.
    folders: ids of damaged files, beside those that have a folder and no file. processes: the runtime's, by default."""
    disk = stage.disk
    states = disk.instances if instances is None else instances
    stocktaking = Stocktaking(
        runtime=stage.runtime,
        processes=processes or stage.runtime,
        read_origin=disk.origins.get,
        observe=lambda identity, _: observe(stage, identity),
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
    layout, groups = Layout("/state", "/run"), InstanceGroups("/agent")
    left_attached = await undo_strays(
        left.strays, stage.runtime, stage.disk, layout, groups.path, left.states, 2, stage.lines.append
    )
    for name in stage.disk.names.keys() - {one.name for one in left.adopted}:
        del stage.disk.names[name]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(undo_kinds, left_attached, stage.attacher, stage.disk, stage.lines.append)
        await stage.history.recall_pin()
        stage.reconciler.take_over(left.adopted, nursery)
        await nursery.start(stage.nix_files.run, stage.reconciler.follow_again, stage.reconciler.note_building)
        await nursery.start(stage.reconciler.run, nursery)
        if settled:
            await stage.settle()
        yield stage
        nursery.cancel_scope.cancel()


def count(stage: Stage, method: str) -> int:
    """How often the runtime was asked for this, by whichever agent."""
    return [asked for asked, _ in stage.runtime.calls].count(method)


def news_of(stage: Stage) -> list[Record]:
    """What the event log has of containers, other than of what an operator has asked for."""
    return [record for record in stage.disk.records if record.name and record.kind is not RecordKind.OPERATOR]


def operator_of(stage: Stage) -> AgentOperator:
    return AgentOperator(stage.reconciler, stage.holds, stage.history, stage.reporter, lambda: None)


async def leave(files: dict[str, str], prepare: Callable[[Stage], None] = lambda stage: None) -> Wreck:
    """What an agent leaves that is killed once all has settled."""
    async with open_stage(files, prepare) as stage:
        wreck = Wreck(stage)
    wreck.disk.records.clear()
    return wreck


def unreadable(stage: Stage) -> None:
    stage.directory.break_down("cannot read /c: input/output error")
