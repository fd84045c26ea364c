"""The agent: builds the outside and the registry, opens the nursery, and reads as the line that it is.

    edit -> Source -> Definition -> Spec -> Bundle -> Action -> lifecycle -> Status

Runs as a process of its own, ``python -m orchestrator.agent SETTINGS`` (JSON), that loads nothing of the command line.
The only module that knows all floors below it.
"""

import gc
import os
import random
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

import trio
from attrs import evolve, frozen

from orchestrator.api.server import serve
from orchestrator.core.settings import decode_settings
from orchestrator.core.trim import EVENTS_BOUND
from orchestrator.model.bundle import HostLimits
from orchestrator.model.cgroups import InstanceGroups
from orchestrator.model.eventlog import RecordKind
from orchestrator.model.layout import Layout
from orchestrator.model.problem import Problem
from orchestrator.model.settings import Settings
from orchestrator.ports import Attacher, Listeners, OutsideError, Processes, Runtime, RuntimeFailed, single_errors
from orchestrator.system.adopted import HostProcesses
from orchestrator.system.agentfile import agent_file
from orchestrator.system.attaching import HostAttacher
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.control import ControlSocket
from orchestrator.system.controllers import find_host_limits
from orchestrator.system.directory import WatchedDirectory
from orchestrator.system.disk import HostDisk
from orchestrator.system.facts import HostWorld
from orchestrator.system.fdstore import SystemdStore
from orchestrator.system.generations import HostGenerations
from orchestrator.system.holding import Holding
from orchestrator.system.left import observe_instance, read_files
from orchestrator.system.limits import raise_descriptor_limit
from orchestrator.system.listeners import HostListeners, Keeper
from orchestrator.system.lock import Lock, hold_lock
from orchestrator.system.logwatch import HostLogs
from orchestrator.system.manager import is_going_down, keeps_descriptors
from orchestrator.system.netns import HostNetworks
from orchestrator.system.nixbuild import HostNix
from orchestrator.system.notify_socket import HostNotifySockets
from orchestrator.system.output import report_defect, say
from orchestrator.system.pluginfolder import read_plugins
from orchestrator.system.plugins import HostPlugins
from orchestrator.system.probes import HostProber
from orchestrator.system.reaper import Children, become_subreaper, reap_orphans
from orchestrator.system.runtimes import AGAIN_AFTER, await_runtime, take_runtimes
from orchestrator.system.sdnotify import ManagerSocket, SystemdNotifier
from orchestrator.system.spawn import keep_descriptors_private
from orchestrator.system.states import read_boot_id, read_origin, read_start_time
from orchestrator.system.streams import HostStreams
from orchestrator.tasks.ending import SIGNALS, Ending
from orchestrator.tasks.history import History
from orchestrator.tasks.holds import Holds
from orchestrator.tasks.nixfiles import NixFiles
from orchestrator.tasks.once import announce, settle_once
from orchestrator.tasks.operate import AgentOperator
from orchestrator.tasks.order import Order
from orchestrator.tasks.outside import Outside
from orchestrator.tasks.reconcile import Reconciler
from orchestrator.tasks.remake import Remaking
from orchestrator.tasks.report import LOGS, RUNTIME, STATE_FILES, STOCK, STORE_ROOTS, STRANGERS, Reporter
from orchestrator.tasks.sweeper import Sweeper
from orchestrator.tasks.takeover import Left, Stocktaking, describe_unknown
from orchestrator.tasks.trim import trim_log
from orchestrator.tasks.undo import undo_kinds, undo_strays

PLUGINS_AT_MOST = 2.0
"""Seconds for the first reading of the plugins folder."""

DEFECT = 70
"""The exit code of a bug of ours: EX_SOFTWARE of sysexits.h(3head)."""


@frozen(kw_only=True)
class _Opened:
    """What stands before the first container begins and after the last has ended."""

    settings: Settings
    layout: Layout
    disk: HostDisk
    directory: WatchedDirectory
    logs: HostLogs
    locks: tuple[Lock, ...]
    control: ControlSocket
    runtime: Runtime
    groups: InstanceGroups
    processes: Processes
    store: SystemdStore
    holding: Holding
    keepers: tuple[Keeper, ...]
    """What keeps listening sockets for a next agent, and what may have kept them for this one."""
    children: Children
    cgroups: Cgroups
    host_limits: HostLimits
    reporter: Reporter
    ending: Ending


async def run_agent(settings: Settings, *, when_settled: Callable[[], object] = lambda: None) -> int:
    """Run until SIGTERM or SIGINT, or with ``once`` until all has settled. Whether the containers end before it returns
    follows from the settings, from who asked for its end, and from whether the system goes down.

    when_settled: called with ``once`` when all has settled and still runs. Returns the exit code: with ``once`` 1 if
    anything is wrong, else 0. Raises OutsideError, alone or in a group, when it cannot begin.
    """
    layout = Layout(settings.state, settings.run)
    disk = HostDisk(layout)
    disk.make_folders()
    with (
        closing(ManagerSocket()) as manager,
        hold_lock(layout.lock) as lock,
        hold_lock(layout.state_lock) as state_lock,
        WatchedDirectory(settings.config) as directory,
        HostLogs() as logs,
        ControlSocket(layout.control) as control,
        trio.open_signal_receiver(*SIGNALS) as signals,
    ):
        keep_descriptors_private()
        store = SystemdStore(manager)
        become_subreaper()
        open_files = raise_descriptor_limit()
        async with trio.open_nursery() as background:
            children, cgroups = Children(), Cgroups()
            await background.start(reap_orphans, children)
            background.start_soon(logs.run)
            background.start_soon(manager.run)
            await background.start(disk.empty_trash_for_ever, say)
            keepers: tuple[Keeper, ...] = (holding := Holding(layout.holder, say), store)
            if manager.is_wanted and await keeps_descriptors(children):
                keepers = (store, holding)
            background.start_soon(holding.run)
            taken = await take_runtimes(settings.runtime, layout, children, cgroups, say)
            with agent_file(layout.agent, disk, settings, taken.own) as agent:
                opened = _Opened(
                    settings=settings,
                    layout=layout,
                    disk=disk,
                    directory=directory,
                    logs=logs,
                    locks=(lock, state_lock),
                    control=control,
                    runtime=taken.runtimes,
                    groups=InstanceGroups(layout.cgroup_root, taken.own.driver),
                    processes=HostProcesses(children, store),
                    store=store,
                    holding=holding,
                    keepers=keepers,
                    children=children,
                    cgroups=cgroups,
                    host_limits=evolve(find_host_limits(cgroups.hierarchies), open_files=open_files),
                    reporter=Reporter(agent, disk, SystemdNotifier(manager), say),
                    ending=Ending(signals, say, leave=settings.leave and not settings.once),
                )
                if not taken.works:
                    tell = partial(opened.reporter.trouble, RUNTIME)
                    background.start_soon(await_runtime, taken.own, layout, children, cgroups, tell)
                code = await _run_containers(opened, when_settled)
            background.cancel_scope.cancel()
    return code


async def _run_containers(opened: _Opened, when_settled: Callable[[], object]) -> int:
    """The line itself, from the directory to the supervisions and back to whoever wants to know."""
    disk, reporter, ending = opened.disk, opened.reporter, opened.ending
    clock_shift = time.monotonic() - trio.current_time()
    left = await _take_stock(opened, clock_shift)
    if left is None:
        return 0
    starts_at_a_time = len(os.sched_getaffinity(0))

    def find_group(instance: str) -> str:
        return left.groups.get(instance) or opened.groups.path(instance)

    plugins = await _load_plugins(opened)
    attacher = HostAttacher(opened.layout, opened.children, lambda: plugins.lasting)
    # Before what systemd has kept, and nobody has taken, is given up.
    listeners = HostListeners(opened.keepers[0], opened.keepers[1:])
    undone = await undo_strays(
        left.strays, opened.runtime, disk, opened.layout, find_group, left.states, starts_at_a_time, say
    )
    opened.store.give_up_rest()
    disk.forget_names({one.name for one in left.adopted})
    disk.forget_unfinished()

    def sweep() -> None:
        listeners.keep_only(reconciler.sockets_in_use())
        in_use = reconciler.bundles_in_use()
        if "" not in in_use and not left.unknown:  # else it could be the one that somebody runs in
            disk.sweep_bundles(in_use)
            disk.sweep_store_roots(in_use, generations.list_bundles)

    sweeper = Sweeper(sweep, reporter.say)
    outside = _make_outside(opened, attacher, listeners, starts_at_a_time, sweeper, clock_shift)
    world, holds = HostWorld.probe(opened.children, opened.runtime.name), Holds(disk)
    generations = HostGenerations(opened.layout)
    history = History(generations, plugins.plugged.versions, reporter, time.time, disk.keep_store_paths)
    await history.recall_pin()

    def look_again() -> None:
        done = reporter.reloading()
        try:
            reconciler.look_again(world.look_again(), done)
        except OutsideError as error:
            reporter.say(f"cannot look at the host again: {error}")
            done()

    def look_after_directories(message: str, problems: tuple[Problem, ...]) -> None:
        reporter.directory("; ".join(filter(None, (message, remaking.make_removed_again()))), problems)

    layout = opened.layout
    ours = (layout.agent, layout.lock, layout.state_lock, layout.control)
    nix = NixFiles(HostNix(world.host.store, opened.children, os.environ, layout.builds))
    reconciler = Reconciler(
        opened.directory, world, plugins, outside, holds, history, nix, look_after_directories, ours
    )
    remaking = Remaking(
        locks=opened.locks,
        control=opened.control,
        is_there=partial(os.path.exists, layout.agent),
        make_folders=disk.make_folders,
        write_again=(
            *(reporter.write_again, reconciler.write_again_all, holds.write_again, history.write_again),
            opened.holding.begin_again,
        ),
        say=reporter.say,
        what=f"{layout.run} or {layout.state}",
    )
    operator = AgentOperator(reconciler, holds, history, reporter, lambda: ending.ask("an operator", stop=True))
    reporter.note(RecordKind.AGENT_STARTED, message=f"{reporter.agent.version} with {reporter.agent.runtime_name}")
    gc.freeze()  # what is loaded by now stays: a collection in the midst of a start need not look through it
    async with trio.open_nursery() as reports:
        reports.start_soon(reporter.run)
        reports.start_soon(undo_kinds, undone, attacher, disk, say)
        reports.start_soon(disk.write_again_for_ever, partial(reporter.trouble, STATE_FILES))
        opened.logs.tell(partial(reporter.trouble, LOGS))
        disk.store_roots.tell(partial(reporter.trouble, STORE_ROOTS))
        reports.start_soon(sweeper.run)
        reports.start_soon(reporter.feed_watchdog, reconciler.is_stuck)
        reports.start_soon(ending.listen, look_again, reconciler.hurry_all)
        reports.start_soon(_trim_events, opened)
        async with trio.open_nursery() as supervisions:
            reconciler.take_over(left.adopted, supervisions)
            async with trio.open_nursery() as following:
                await following.start(nix.run, reconciler.follow_again, reconciler.note_building)
                await following.start(reconciler.run, supervisions)
                # Not before there are names: a client waits for an answer that is true.
                reports.start_soon(serve, operator, HostStreams(opened.layout), opened.control, say)
                following.start_soon(reconciler.follow_world)
                following.start_soon(history.run)
                following.start_soon(announce, reporter, reconciler.is_stuck)
                code = 0
                if opened.settings.once:
                    code = await settle_once(reporter, ending, when_settled)
                else:
                    await ending.asked.wait()
                    if not ending.stops_containers and await is_going_down(opened.children):
                        ending.stop_containers("the system is going down")
                following.cancel_scope.cancel()
            operator.end()
            reporter.stopping()
            if ending.stops_containers:
                reports.start_soon(reporter.extend_stop)
                reconciler.stop_all()
                # The supervisions end when their containers have.
            else:
                supervisions.cancel_scope.cancel()
        await history.write_now()
        if ending.stops_containers:
            sweeper.sweep_now()
        reporter.note(RecordKind.AGENT_STOPPED)
        reports.cancel_scope.cancel()
    return code


async def _load_plugins(opened: _Opened) -> HostPlugins:
    """The kinds as they are at first: what was left is undone by them, before the directory is looked at."""
    plugins = HostPlugins()
    for note in plugins.notes:
        opened.reporter.say(note)
    with trio.move_on_after(PLUGINS_AT_MOST):  # where that hangs, the look at the directory says so
        files = await trio.to_thread.run_sync(read_plugins, opened.settings.config, abandon_on_cancel=True)
        plugins.load(files)
    return plugins


async def _take_stock(opened: _Opened, clock_shift: float) -> Left | None:
    """What an earlier agent has left; None where this one was asked to end before the runtime said what runs. A damaged
    file is set aside and told of."""
    reporter, ending = opened.reporter, opened.ending
    files, left = read_files(opened.layout, opened.disk, say), None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ending.listen, lambda: None, lambda: None)
        while left is None and not ending.asked.is_set():
            try:
                left = await _make_stocktaking(opened, clock_shift).take_stock(
                    files.instances, files.names, files.folders
                )
            except RuntimeFailed as error:
                reporter.trouble(STOCK, f"{error}; nothing is taken over before that")
                with trio.move_on_after(AGAIN_AFTER):
                    await ending.asked.wait()
        nursery.cancel_scope.cancel()
    if left is not None:
        reporter.trouble(STOCK, "")
        reporter.trouble(STRANGERS, describe_unknown(left, opened.runtime))
    return left


def _make_stocktaking(opened: _Opened, clock_shift: float) -> Stocktaking:
    layout = opened.layout
    return Stocktaking(
        runtime=opened.runtime,
        processes=opened.processes,
        read_origin=partial(read_origin, layout),
        observe=partial(observe_instance, layout=layout, groups=opened.groups, runtime=opened.runtime),
        start_time=read_start_time,
        say=say,
        now=trio.current_time(),
        shift=-clock_shift,
        boot=read_boot_id(),
    )


def _make_outside(
    opened: _Opened,
    attacher: Attacher,
    listeners: Listeners,
    starts_at_a_time: int,
    sweeper: Sweeper,
    clock_shift: float,
) -> Outside:
    async def trim(path: str, bound: int) -> None:
        with opened.logs.open(path, marked=True) as log:
            await trim_log(log, opened.reporter.say, bound)

    return Outside(
        runtime=opened.runtime,
        disk=opened.disk,
        attacher=attacher,
        listeners=listeners,
        layout=opened.layout,
        groups=opened.groups,
        descriptors=opened.store,
        networks=HostNetworks(),
        prober=HostProber(opened.children, opened.cgroups),
        notify_sockets=HostNotifySockets(opened.layout, opened.cgroups),
        host_limits=opened.host_limits,
        # One more than the runtime is let do at a time, so that it need not wait while a bundle is written.
        starts=trio.CapacityLimiter(starts_at_a_time + 1),
        chance=random.random,
        token=lambda: secrets.token_hex(5),
        wall_clock=time.time,
        clock_shift=clock_shift,
        boot=read_boot_id(),
        report=opened.reporter,
        order=Order(opened.reporter.expect, opened.reporter.say),
        trim_log=trim,
        sweep=sweeper.ask,
    )


async def _trim_events(opened: _Opened) -> None:
    with opened.logs.open(opened.layout.events) as log:
        await trim_log(log, opened.reporter.say, EVENTS_BOUND)


def main(arguments: Sequence[str]) -> int:
    """``python -m orchestrator.agent SETTINGS``. Returns the exit code: 0, 1 if it could not begin, 70 for a defect."""
    settings = decode_settings(arguments[0])
    try:
        return trio.run(lambda: run_agent(settings))
    except OutsideError as error:
        say(f"orchestrator: {error}")
    except BaseExceptionGroup as group:
        outside, defects = group.split(OutsideError)
        for leaf in single_errors(outside):
            say(f"orchestrator: {leaf}")
        if defects is not None:
            report_defect(defects, settings.state)
            return DEFECT
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # The one place that catches everything: what it says stands in the journal, where it may be the only trace.
        report_defect(error, settings.state)
        return DEFECT
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
