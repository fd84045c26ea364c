"""A reconciler among fakes, for tests in virtual time."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import trio
from orchestrator_mounts.bind import Bind
from orchestrator_networks.container import ContainerNetwork
from orchestrator_networks.host import HostNetwork

from orchestrator.core.parse import Parser
from orchestrator.model.bundle import HostLimits
from orchestrator.model.cgroups import InstanceGroups
from orchestrator.model.layout import Layout
from orchestrator.model.registry import Group, Registry
from orchestrator.model.state import AgentState, NameState
from orchestrator.tasks.history import History
from orchestrator.tasks.holds import Holds
from orchestrator.tasks.nixfiles import NixFiles
from orchestrator.tasks.order import Order
from orchestrator.tasks.outside import Outside
from orchestrator.tasks.reconcile import Reconciler
from orchestrator.tasks.report import Reporter
from orchestrator.testing.attacher import FakeAttacher
from orchestrator.testing.directory import FakeDirectory, FakeWorld
from orchestrator.testing.disk import FakeDisk
from orchestrator.testing.health import FakeNotifySockets, FakeProber
from orchestrator.testing.history import FakeGenerations
from orchestrator.testing.listeners import FakeListeners
from orchestrator.testing.networks import FakeNetworks
from orchestrator.testing.nixbuild import FakeNix
from orchestrator.testing.notifier import FakeNotifier
from orchestrator.testing.plugins import FakePlugins
from orchestrator.testing.runtime import FakeRuntime
from orchestrator.testing.store import FakeStore
from tests.tasks.helpers_kinds import Ports

PASSWD = {"/etc/passwd": "root:x:0:0::/root:/bin/sh\n", "/etc/group": "root:x:0:\n"}
WEB = 'args = ["/usr/bin/web"]\nrootfs = "host"\n'
AGENT = AgentState(
    pid=1, pid_start_time=1, version="0", started_at=0, config="/c", state="/s", runtime="/r", runtime_name="fake"
)


async def no_trimming(path: str, bound: int) -> None:
    await trio.sleep_forever()


class Stage:
    """A reconciler among fakes."""

    def __init__(self, files: Mapping[str, str], left: "Wreck | None" = None) -> None:
        """left: what there is of an agent before this one."""
        self.directory = FakeDirectory(files)
        self.world = FakeWorld(texts=PASSWD)
        self.runtime = left.runtime if left is not None else FakeRuntime()
        self.disk: FakeDisk = left.disk if left is not None else FakeDisk()
        self.attacher = left.attacher if left is not None else FakeAttacher()
        self.listeners = left.listeners if left is not None else FakeListeners()
        self.generations = left.generations if left is not None else FakeGenerations()
        self.networks = FakeNetworks()
        self.prober = FakeProber()
        self.notify_sockets = FakeNotifySockets()
        self.notifier = FakeNotifier()
        self.lines: list[str] = []
        self.wall_clock: Callable[[], float] = trio.current_time
        self.reporter = Reporter(AGENT, self.disk, self.notifier, self.lines.append)
        self.tokens = left.tokens if left is not None else iter(f"{number:03}" for number in range(1000))
        outside = Outside(
            runtime=self.runtime,
            disk=self.disk,
            attacher=self.attacher,
            listeners=self.listeners,
            layout=Layout("/state", "/run"),
            groups=InstanceGroups("/agent"),
            descriptors=FakeStore(),
            networks=self.networks,
            prober=self.prober,
            notify_sockets=self.notify_sockets,
            host_limits=HostLimits(),
            starts=trio.CapacityLimiter(2),
            chance=lambda: 0.5,
            token=lambda: next(self.tokens),
            wall_clock=lambda: self.wall_clock(),
            clock_shift=0.0,
            boot="a-boot",
            report=self.reporter,
            order=Order(self.reporter.expect, self.reporter.say),
            trim_log=no_trimming,
            sweep=self._sweep,
        )
        networks = {"host": HostNetwork, "container": ContainerNetwork, "ports": Ports}
        registry = Registry({Group.MOUNTS: {"bind": Bind}, Group.NETWORKS: networks})
        self.holds = Holds(self.disk)
        self.plugins = FakePlugins(registry)
        self.history = History(
            self.generations, {}, self.reporter, lambda: self.wall_clock(), self.disk.keep_store_paths
        )
        self.nix = FakeNix()
        self.nix_files = NixFiles(self.nix)
        self.reconciler: Reconciler = Reconciler(
            self.directory,
            self.world,
            self.plugins,
            outside,
            self.holds,
            self.history,
            self.nix_files,
            self.reporter.directory,
        )

    @property
    def parser(self) -> Parser:
        return self.plugins.plugged.parser

    def _sweep(self) -> None:
        self.listeners.keep_only(self.reconciler.sockets_in_use())
        self.disk.sweep_bundles(self.reconciler.bundles_in_use())

    def pids(self) -> dict[str, int | None]:
        return {name: state.pid for name, state in self.disk.names.items()}

    def state(self, name: str) -> NameState:
        return self.disk.names[name]

    async def settle(self) -> None:
        """Long enough for a plan and what follows from it, shorter than the grace of a vanished file."""
        await trio.sleep(0.5)
        await self.reporter.wait_settled()


class Wreck:
    """What there is of an agent that is killed now: what it does from now on is not in it."""

    def __init__(self, stage: Stage) -> None:
        self.runtime: FakeRuntime = stage.runtime
        self.generations: FakeGenerations = stage.generations
        self.attacher: FakeAttacher = stage.attacher
        self.listeners: FakeListeners = stage.listeners
        self.tokens: Iterator[str] = stage.tokens
        self.disk: FakeDisk = FakeDisk()
        self.disk.bundles |= stage.disk.bundles
        self.disk.prepared |= stage.disk.prepared
        self.disk.instances |= stage.disk.instances
        self.disk.origins |= stage.disk.origins
        self.disk.names |= stage.disk.names
        self.disk.held |= stage.disk.held
        self.disk.records += stage.disk.records


@asynccontextmanager
async def open_stage(
    files: Mapping[str, str],
    prepare: Callable[[Stage], None] = lambda stage: None,
    left: Wreck | None = None,
    *,
    settled: bool = True,
) -> AsyncIterator[Stage]:
    stage = Stage(files, left)
    prepare(stage)
    async with trio.open_nursery() as nursery:
        await stage.history.recall_pin()
        await nursery.start(stage.nix_files.run, stage.reconciler.follow_again, stage.reconciler.note_building)
        await nursery.start(stage.reconciler.run, nursery)
        nursery.start_soon(stage.history.run)
        if settled:
            await stage.settle()
        yield stage
        nursery.cancel_scope.cancel()
