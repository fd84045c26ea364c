"""A supervision of `web` among fakes, for tests in virtual time."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from orchestrator.model.action import Action, Target
from orchestrator.model.bundle import Bundle, HostLimits
from orchestrator.model.cgroups import InstanceGroups
from orchestrator.model.layout import Layout
from orchestrator.model.policy import OnExit, Restart
from orchestrator.model.policy import Stop as StopPolicy
from orchestrator.model.resources import Resources
from orchestrator.model.spec import Policy, SkeletonRoot
from orchestrator.model.state import InstanceState, NameState, PublicState, Step
from orchestrator.model.types import Size
from orchestrator.tasks.order import Order
from orchestrator.tasks.outside import Outside
from orchestrator.tasks.supervise import Supervision
from orchestrator.testing.attacher import FakeAttacher
from orchestrator.testing.disk import FakeDisk
from orchestrator.testing.health import FakeNotifySockets, FakeProber
from orchestrator.testing.listeners import FakeListeners
from orchestrator.testing.networks import FakeNetworks
from orchestrator.testing.runtime import FakeRuntime
from orchestrator.testing.store import FakeStore

POLICY = Policy(oneshot=False, restart=Restart(on_success=OnExit.RESTART, jitter=0.0), stop=StopPolicy())
NOTHING = SkeletonRoot(entries=())


def make_target(digest: str = "a", *, memory: int | None = None, policy: Policy = POLICY) -> Target:
    bundle = Bundle(digest, {}, NOTHING, readonly=True)
    return Target(bundle, Resources(memory=None if memory is None else Size(memory)), policy)


class Recorder:
    """A report that remembers."""

    def __init__(self) -> None:
        self.states: list[NameState] = []
        self.unsettled: set[str] = set()
        self.troubles: list[str] = []
        self.forgotten: list[str] = []
        self.woken = trio.Event()

    def told(self, name: str, action: Action, before: Target | None) -> None:
        raise AssertionError("who tells a supervision tells the report, too")

    def recall(self, state: NameState) -> None:
        raise AssertionError("nothing was left by an earlier agent")

    def expect(self, name: str) -> None:
        self.unsettled.add(name)

    def changed(self, state: NameState, *, settled: bool, ends_by: float = -math.inf) -> None:
        self.states.append(state)
        (self.unsettled.discard if settled else self.unsettled.add)(state.name)
        self._wake()

    def forget(self, name: str) -> None:
        self.forgotten.append(name)
        self.unsettled.discard(name)
        self._wake()

    def _wake(self) -> None:
        self.woken.set()
        self.woken = trio.Event()

    def say(self, text: str) -> None:
        self.troubles.append(text)


class Stage:
    """A supervision of `web` among fakes."""

    def __init__(self) -> None:
        self.runtime = FakeRuntime()
        self.disk = FakeDisk()
        self.attacher = FakeAttacher()
        self.listeners = FakeListeners()
        self.networks = FakeNetworks()
        self.prober = FakeProber()
        self.notify_sockets = FakeNotifySockets()
        self.report = Recorder()
        self.swept = 0
        self.trimmed: list[str] = []
        tokens = iter(f"{number:03}" for number in range(1000))
        self.outside = Outside(
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
            starts=trio.CapacityLimiter(1),
            chance=lambda: 0.5,
            token=lambda: next(tokens),
            wall_clock=trio.current_time,
            clock_shift=0.0,
            boot="a-boot",
            report=self.report,
            order=Order(self.report.expect, self.report.say),
            trim_log=self._trim,
            sweep=self._sweep,
        )
        self.web = Supervision("web", self.outside)
        self.outside.order.open()

    async def _trim(self, path: str, bound: int) -> None:
        self.trimmed.append(path)
        try:
            await trio.sleep_forever()
        finally:
            self.trimmed.remove(path)

    def _sweep(self) -> None:
        self.swept += 1

    @property
    def state(self) -> NameState:
        return self.disk.names["web"]

    def methods(self) -> list[str]:
        return [method for method, _ in self.runtime.calls]

    def steps(self) -> list[Step]:
        given = self.disk.calls_of("write_instance")
        return [state.step for state in given if isinstance(state, InstanceState)]

    async def reach(self, state: PublicState) -> None:
        await self.until(lambda: "web" in self.disk.names and self.state.state is state)

    async def reach_bundle(self, digest: str) -> None:
        await self.until(lambda: "web" in self.disk.names and self.state.bundle == digest)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self.report.woken.wait()


@asynccontextmanager
async def open_stage(prepare: Callable[[Stage], None] = lambda stage: None) -> AsyncIterator[Stage]:
    """A stage whose supervision runs, and is cancelled at the end."""
    stage = Stage()
    prepare(stage)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.web.run)
        yield stage
        nursery.cancel_scope.cancel()
