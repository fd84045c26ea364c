"""A runtime and its processes that exist in memory only, and do as a test says. Floor: testing.

They pass the suite of tests that the real runtimes pass. Times are trio's clock, so they are virtual under MockClock.
"""

import signal
from collections import defaultdict
from collections.abc import Callable, Sequence

import trio
from attrs import define, frozen

from orchestrator.model.bundle import Instance
from orchestrator.model.life import Exit
from orchestrator.model.resources import Resources
from orchestrator.model.state import InstanceState
from orchestrator.ports import RuntimeFailed, RuntimeStatus

COMMAND_DEADLINE = 30.0
"""Seconds after which a command that hangs is given up, as the real one does."""


@frozen(kw_only=True)
class FakeProgram:
    """How an application behaves. It runs until it is told to end unless it says otherwise.

    exits: the code that it ends with as soon as it was started. missing: there is no such program, so that create
    fails. ignores: signals that do nothing to it (SIGKILL cannot be ignored); every other ends it with ``stop_code``.
    out_of_memory: the kernel kills it as soon as it was started.
    """

    exits: int | None = None
    missing: bool = False
    ignores: frozenset[int] = frozenset()
    stop_code: int = 0
    out_of_memory: bool = False


class FakeProcess:
    """Implements `orchestrator.ports.Process`."""

    def __init__(self, pid: int, program: FakeProgram, now: Callable[[], float], ended: Exit | None = None) -> None:
        """ended: how it has ended already, if it has."""
        self._pid = pid
        self._program = program
        self._now = now
        self._exit = ended
        self._ended = trio.Event()
        if ended is not None:
            self._ended.set()
        self.signals: list[int] = []
        """What it was sent while it ran, in order."""
        self.closed = False

    @property
    def pid(self) -> int:
        """A number that no other fake process of its runtime has."""
        return self._pid

    @property
    def start_time(self) -> int:
        """Any number that stays the same."""
        return self._pid * 100

    @property
    def descriptor(self) -> int:
        """-1: it is not held by anything."""
        return -1

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._exit is not None

    async def wait(self) -> Exit:
        """Wait until it has ended."""
        await self._ended.wait()
        assert self._exit is not None, "the event is set with the exit"
        return self._exit

    def finish(self, *, code: int | None = None, signal: int | None = None) -> None:
        """It ends now, by itself. Nothing if it has ended already."""
        if self._exit is None:
            self._exit = Exit(code=code, signal=signal, at=self._now())
            self._ended.set()

    def send_signal(self, number: int) -> None:
        """As kill(2): see `FakeProgram.ignores`."""
        if self.ended:
            return
        self.signals.append(number)
        if number == signal.SIGKILL:
            self.finish(signal=number)
        elif number not in self._program.ignores:
            self.finish(code=self._program.stop_code)

    def close(self) -> None:
        """Give it up."""
        self.closed = True


@define
class FakeContainer:
    """What the fake runtime keeps of an instance."""

    instance: Instance
    process: FakeProcess
    resources: Resources
    descriptors: tuple[int, ...] = ()
    started: bool = False
    oom_kills: int = 0


class FakeRuntime:
    """Implements `orchestrator.ports.Runtime` and `orchestrator.ports.Processes`.

    A create that fails leaves a half container, which `list_instances` shows until `remove`: so a test sees whether
    it was undone.
    """

    def __init__(self, root: str = "/fake/runtime", now: Callable[[], float] = trio.current_time) -> None:
        self._root = root
        self._now = now
        self._pids = iter(range(1000, 1_000_000))
        self._failures: defaultdict[str, list[str]] = defaultdict(list)
        self._programs: dict[str, FakeProgram] = {}
        self.containers: dict[str, FakeContainer] = {}
        """Those that stand, by instance id."""
        self.halves: set[str] = set()
        """Ids of creates that failed and were not removed yet."""
        self.calls: list[tuple[str, str]] = []
        """What was asked for, in order: the method and the instance id."""
        self.delays: dict[str, float] = {}
        """Seconds that a command takes, by the method's name; at once where none is given."""
        self.hangs: set[str] = set()
        """The methods that hang, until COMMAND_DEADLINE."""
        self.gone = False
        """Whether its program is away."""

    @property
    def name(self) -> str:
        """``"fake"``."""
        return "fake"

    @property
    def command(self) -> str:
        """A path that does not exist."""
        return "/fake/bin/runtime"

    @property
    def root(self) -> str:
        """As it was given."""
        return self._root

    def set_program(self, name: str, program: FakeProgram) -> None:
        """How the application of the container ``name`` behaves from its next create on."""
        self._programs[name] = program

    def fail(self, method: str, message: str, times: int = 1) -> None:
        """Let the next calls of ``create``, ``start``, ``update`` or ``remove`` fail with a message."""
        self._failures[method].extend([message] * times)

    def process_of(self, name: str) -> FakeProcess:
        """The process of the newest container of that name. Raises LookupError."""
        for container in reversed(self.containers.values()):
            if container.instance.name == name:
                return container.process
        raise LookupError(f"no container of {name!r}")

    def check_program(self) -> None:
        """See `gone`."""
        if self.gone:
            raise RuntimeFailed(f"cannot run {self.command}: No such file or directory")

    async def create(self, instance: Instance, descriptors: Sequence[int] = ()) -> FakeProcess:
        """Make a container whose process waits to be started. Raises RuntimeFailed as scripted."""
        program = self._programs.get(instance.name, FakeProgram())
        self.halves.add(instance.id)
        await self._run("create", instance.id)
        if program.missing:
            args = instance.bundle.config.get("process", {}).get("args", ["program"])
            raise RuntimeFailed(f"cannot create container {instance.id}: fake: {args[0]}: no such file or directory")
        if instance.id in self.containers:
            raise RuntimeFailed(f"cannot create container {instance.id}: fake: it exists already")
        process = FakeProcess(next(self._pids), program, self._now)
        self.halves.discard(instance.id)
        self.containers[instance.id] = FakeContainer(instance, process, instance.resources, tuple(descriptors))
        return process

    async def start(self, instance_id: str, folder: str) -> None:
        """Start it; a program that ends at once ends now. Raises RuntimeFailed as scripted."""
        await self._run("start", instance_id)
        container = self._find("start", instance_id)
        if container.started or container.process.ended:
            raise RuntimeFailed(f"cannot start container {instance_id}: fake: it is not in state created")
        container.started = True
        program = self._programs.get(container.instance.name, FakeProgram())
        if program.out_of_memory:
            container.oom_kills += 1
            container.process.finish(signal=signal.SIGKILL)
        elif program.exits is not None:
            container.process.finish(code=program.exits)

    async def update(self, instance_id: str, folder: str, cgroups_path: str, resources: Resources) -> None:
        """Change its resources. Raises RuntimeFailed as scripted."""
        await self._run("update", instance_id)
        self._find("update", instance_id).resources = resources

    async def remove(self, instance_id: str, folder: str, cgroups_path: str) -> None:
        """End it and forget it. Raises RuntimeFailed as scripted."""
        await self._run("remove", instance_id)
        self.halves.discard(instance_id)
        if container := self.containers.pop(instance_id, None):
            container.process.send_signal(signal.SIGKILL)

    async def query(self, instance_id: str) -> RuntimeStatus | None:
        """What it keeps of an instance. Raises RuntimeFailed as scripted."""
        await self._run("query", instance_id)
        container = self.containers.get(instance_id)
        if container is None:
            return None
        if container.process.ended:
            return RuntimeStatus("stopped", 0)
        return RuntimeStatus("running" if container.started else "created", container.process.pid)

    def find(self, state: InstanceState) -> FakeProcess:
        """The process of an instance, whichever agent made it. Of one that has ended only what its state says is known:
        nobody held it."""
        container = self.containers.get(state.instance)
        if container is not None and container.process.pid == state.pid and not container.process.ended:
            return container.process
        return FakeProcess(state.pid or 0, FakeProgram(), self._now, state.exit or Exit(at=self._now()))

    async def list_instances(self) -> tuple[str, ...]:
        """The ids of containers and of halves."""
        await trio.lowlevel.checkpoint()
        return tuple(sorted({*self.containers, *self.halves}))

    def kill_all(self, cgroups_path: str) -> None:
        """SIGKILL to its process."""
        for container in self.containers.values():
            if container.instance.cgroups_path == cgroups_path:
                container.process.send_signal(signal.SIGKILL)

    def count_oom_kills(self, cgroups_path: str) -> int:
        """1 after the end of a program that ran out of memory."""
        return sum(c.oom_kills for c in self.containers.values() if c.instance.cgroups_path == cgroups_path)

    async def _run(self, method: str, instance_id: str) -> None:
        """What every command has in common: the record, the delay, the hang, the failure. Shielded, as the real one."""
        self.calls.append((method, instance_id))
        self.check_program()
        with trio.CancelScope(shield=True):
            if method in self.hangs:
                await trio.sleep(COMMAND_DEADLINE)
                why = f"fake: took longer than {COMMAND_DEADLINE:g} s"
                raise RuntimeFailed(f"cannot {method} container {instance_id}: {why}")
            await trio.sleep(self.delays.get(method, 0.0))
        if self._failures[method]:
            raise RuntimeFailed(f"cannot {method} container {instance_id}: fake: {self._failures[method].pop(0)}")

    def _find(self, method: str, instance_id: str) -> FakeContainer:
        try:
            return self.containers[instance_id]
        except KeyError:
            raise RuntimeFailed(f"cannot {method} container {instance_id}: fake: it does not exist") from None
