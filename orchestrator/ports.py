"""What tasks need of the outside, as Protocols. `orchestrator.system` has the real ones, `testing` the fakes.

Floor: above core, beside plugin. Every error of the outside is an `OutsideError`: one clear line that names what was
tried.
"""

from collections.abc import Collection, Iterable, Iterator
from enum import Enum
from typing import Any, Protocol

from orchestrator.model.action import Planned
from orchestrator.model.bundle import Bundle, Instance
from orchestrator.model.eventlog import Record
from orchestrator.model.facts import Facts, HostFacts, Question
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources
from orchestrator.model.source import Listing
from orchestrator.model.state import AgentState, Exit, InstanceState, NameState


class OutsideError(Exception):
    """The world's fault: what was tried and why it failed, in one line (``str(error)``)."""


def single_errors(error: BaseException | None) -> Iterator[BaseException]:
    """An error, or those that a nursery has gathered, one by one; nothing for None."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from single_errors(inner)
    elif error is not None:
        yield error


class RuntimeFailed(OutsideError):
    """A command of the OCI runtime failed or took too long; the message ends with the runtime's own."""


class DiskFailed(OutsideError):
    """A file or folder could not be written, read or removed."""


class LogBusy(OutsideError):
    """A log cannot be looked at now, or its head not be dropped, since somebody else looks at it; another attempt will
    do."""


class Process(Protocol):
    """The first process of a container, held by a pidfd: it can never be mistaken for another."""

    @property
    def pid(self) -> int:
        """Its process id as the host counts."""
        ...

    @property
    def start_time(self) -> int:
        """Field 22 of /proc/PID/stat: clock ticks since boot."""
        ...

    async def wait(self) -> Exit:
        """Wait until it has ended and take its exit status (which reaps it). ``oom`` is left False. May be cancelled
        and called again; the status is taken once and remembered."""
        ...

    def send_signal(self, number: int) -> None:
        """pidfd_send_signal(2). A process that has ended already is no error."""
        ...

    def close(self) -> None:
        """Give up the descriptor. May be called twice."""
        ...


class Runtime(Protocol):
    """An OCI runtime's command line. No method leaves half of anything: after a cancel it happened or it did not."""

    @property
    def name(self) -> str:
        """What it is: ``runc``, ``crun``, ``youki``."""
        ...

    @property
    def command(self) -> str:
        """The absolute path of its program."""
        ...

    @property
    def root(self) -> str:
        """The ``--root`` that it is given."""
        ...

    async def create(self, instance: Instance) -> Process:
        """``create``: the container stands, its process waits to be started. ``instance.folder`` holds config.json and
        ``instance.log`` exists or is made. Shielded from cancellation, with a deadline of its own.

        Raises RuntimeFailed; what a failed create leaves is for `remove`."""
        ...

    async def start(self, instance_id: str, folder: str) -> None:
        """``start``: the application begins. Raises RuntimeFailed."""
        ...

    async def update(self, instance_id: str, folder: str, cgroups_path: str, resources: Resources) -> None:
        """``update``: resources, live; read back from the kernel. Raises RuntimeFailed if they do not hold now."""
        ...

    async def remove(self, instance_id: str, folder: str, cgroups_path: str) -> None:
        """Undo whole, whatever there is of the instance: kill what is left of a create, ``delete`` (with force where
        needed), kill what is in its cgroup, remove the cgroup in every hierarchy. Idempotent; shielded.

        Raises RuntimeFailed if something is left."""
        ...

    async def list_instances(self) -> tuple[str, ...]:
        """The ids that the runtime knows below `root`. Raises RuntimeFailed."""
        ...

    def kill_all(self, cgroups_path: str) -> None:
        """SIGKILL to every process in the cgroup (cgroup.kill, or cgroup.procs until it is empty of the living)."""
        ...

    def count_oom_kills(self, cgroups_path: str) -> int:
        """How often the kernel killed in this cgroup for want of memory; 0 where it cannot be told."""
        ...


class Disk(Protocol):
    """The state directory and the run directory. All methods raise DiskFailed."""

    def store_bundle(self, bundle: Bundle) -> None:
        """Make ``bundles/DIGEST`` (config.json and the skeleton) unless it stands there whole. All or nothing."""
        ...

    def prepare_instance(self, instance: Instance) -> None:
        """Make the instance's folder with its own config.json, and its own writable rootfs where it has one."""
        ...

    def remove_instance(self, instance_id: str) -> None:
        """Remove the instance's folder and writable rootfs, then its state file. Idempotent. The room that they took
        may be free a little later."""
        ...

    def write_instance(self, state: InstanceState) -> None:
        """Put the state file in place, by rename."""
        ...

    def write_name(self, state: NameState) -> None:
        """Put the name's file in place, by rename."""
        ...

    def remove_name(self, name: str) -> None:
        """Remove the name's file. Idempotent."""
        ...

    def write_agent(self, state: AgentState) -> None:
        """Put the agent's file in place, by rename."""
        ...

    def sweep_bundles(self, keep: Collection[str]) -> None:
        """Remove the stored bundles whose digests are not in ``keep``."""
        ...

    def hold(self, name: str) -> None:
        """Note that an operator has stopped ``name``. Idempotent."""
        ...

    def release(self, name: str) -> None:
        """Note that ``name`` may run again. Idempotent."""
        ...

    def list_held(self) -> frozenset[str]:
        """The names that are held."""
        ...

    def append_record(self, record: Record) -> None:
        """Add a line to the event log: whole or not at all."""
        ...


class Directory(Protocol):
    """The watched directory. Events are hints only; `read` says what is there now."""

    async def read(self) -> Listing:
        """Read all definitions. Never raises for what a user can do to the directory: that is in the listing."""
        ...

    async def wait_changed(self) -> None:
        """Return when something may have changed since `read` was last called, at once if it has already. Hints that
        come together are one. Cancellation-safe."""
        ...

    def watch_also(self, paths: Collection[str], contents: Collection[str] = ()) -> None:
        """Further paths of the host whose appearance is a change too, and files whose content is one, instead of those
        given before."""
        ...

    @property
    def message(self) -> str:
        """Why changes may be seen late or not at all (no watches left, a file system without inotify), or empty."""
        ...


class LogWatch(Protocol):
    """A log that an application appends to, to be kept within a bound."""

    def arm(self) -> None:
        """From now on a write is remembered for `wait_modified`. Raises DiskFailed."""
        ...

    async def wait_modified(self) -> None:
        """Return when something was written since `arm`; after a while where that cannot be told. Cancellation-safe."""
        ...

    def size(self) -> int:
        """How many bytes it holds now. Raises DiskFailed."""
        ...

    async def drop_head(self, keep: int) -> int:
        """Drop its head, at least ``keep`` bytes remain; returns how many went. Raises LogBusy, DiskFailed."""
        ...

    def mark(self) -> None:
        """Note how much has been written by now, for who asks later what came since a moment. Raises LogBusy,
        DiskFailed."""
        ...


class World(Protocol):
    """What facts are gathered from."""

    @property
    def host(self) -> HostFacts:
        """Learned once, at start."""
        ...

    async def gather(self, questions: Iterable[Question]) -> Facts:
        """Answer all questions. Never raises: a path that cannot be looked at is answered so."""
        ...

    async def wait_news(self) -> None:
        """Wait until what did not answer (`Facts.unanswered`) may answer now. Cancellation-safe."""
        ...


class UnknownName(OutsideError):
    """There is no container of that name. ``known`` are those that there are."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        super().__init__(f'there is no container "{name}"')
        self.name = name
        self.known = tuple(sorted(known))


class Refused(OutsideError):
    """What an operator asked for cannot be done as things stand: not running, problems in its definition."""

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class Part(Enum):
    """What there is to show of a container."""

    DEFINITION = "definition"
    """Its definition as it is live, defaults in."""
    SPEC = "spec"
    """What it was resolved to."""
    CONFIG = "config"
    """The config.json of its instance, without what its files of variables say."""


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
        """Begin an operation on the names (None: on all); returns them in the order in which it works on them. What
        holds from now on is written down before this returns. Raises UnknownName, Refused or DiskFailed before
        anything is done."""
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


class Notifier(Protocol):
    """sd_notify(3): what systemd is told. Nothing where nobody listens; never raises."""

    def ready(self) -> None:
        """READY=1."""
        ...

    def status(self, text: str) -> None:
        """STATUS=, one line for people."""
        ...

    def stopping(self) -> None:
        """STOPPING=1."""
        ...

    def watchdog(self) -> None:
        """WATCHDOG=1."""
        ...

    @property
    def watchdog_interval(self) -> float | None:
        """Seconds between two WATCHDOG=1 (half of $WATCHDOG_USEC), or None where none is asked for."""
        ...
