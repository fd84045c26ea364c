"""What the agent writes down in the run directory, so that readers need no agent and a next agent can go on.

Two kinds of JSON file, each with ``schema``, its version. An instance's file is written before an effect whose
half-done result would otherwise be unknown, and after each answer; a name's file says which instance is the name's
and what people see. Times are seconds since the epoch; what the agent decides by is trio's monotonic clock.

Floor: model.
"""

from enum import Enum
from typing import Any

from attrs import field, frozen

from orchestrator.model.attached import Attached
from orchestrator.model.bundle import LogTarget
from orchestrator.model.contribution import LiveFile
from orchestrator.model.health import Proven
from orchestrator.model.life import Exit, Life
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources
from orchestrator.model.source import Edit
from orchestrator.model.spec import Policy
from orchestrator.model.store import StoreLink

SCHEMA = 1
"""The version of both kinds of file."""


class PublicState(Enum):
    """What people are told, in one word."""

    WAITING = "waiting"
    BUILDING = "building"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    BACKOFF = "backoff"
    FAILED = "failed"
    """It ended by a failure and is not started again: it gave up."""
    COMPLETED = "completed"
    INVALID = "invalid"
    """Its definition has problems and nothing of it runs."""
    IDLE = "idle"


class Step(Enum):
    """How far an instance has come, as the write order has it; what a next agent goes by."""

    CREATING = "creating"
    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@frozen(kw_only=True)
class InstanceState:
    """One instance, as ``instances/ID.json`` has it."""

    schema: int = SCHEMA
    name: str
    instance: str
    bundle: str
    runtime: str
    """The runtime's command, absolute."""
    root: str
    """The runtime's ``--root``."""
    folder: str
    rootfs: str
    cgroups_path: str
    log: str
    """The log file; it stays empty unless ``log_target`` is the file."""
    log_target: LogTarget = LogTarget.FILE
    step: Step
    created_at: float
    restarts: int = 0
    """The name's count when this instance was made."""
    pid: int | None = None
    pid_start_time: int | None = None
    """Field 22 of /proc/PID/stat, in clock ticks since boot: with the pid it names one process for ever."""
    started_at: float | None = None
    attached: tuple[Attached, ...] = ()
    """What kinds do to the host for it, in order: each is marked as begun before it is."""
    joined: str = ""
    """The id of the instance whose network namespace it runs in, written before it joins that; empty where it runs in
    another."""
    live: tuple[LiveFile, ...] = ()
    """What its files that follow the host say."""
    resources: Resources
    """What was applied last."""
    limits_known: bool = True
    """Whether ``resources`` is what holds: not while an update is under way."""
    policy: Policy
    """What it was last told: what a next agent does about it until it has read the directory, or if that has no
    definition of it any more."""
    overlaps: bool = False
    """Another instance of the name may run beside it, on the same listening sockets."""
    boot: str = ""
    """The boot id (random/boot_id, proc_sys_kernel(5)) of the kernel that it was made under: of another boot nothing of
    it runs."""
    proven: Proven = field(factory=Proven)
    exit: Exit | None = None


@frozen(kw_only=True)
class Refusal:
    """An edit that did not become ready, so that what ran before it runs again."""

    bundle: str
    """The digest."""
    resources: Resources
    policy: Policy
    reason: str
    """Why it was not ready, in one line."""


@frozen(kw_only=True)
class Standing:
    """Where the supervision of a name stands, for a next agent to go on from. The times of ``life`` are
    CLOCK_MONOTONIC, seconds (clock_gettime(2))."""

    life: Life
    policy: Policy
    bundle: str
    """The digest of what it was last told to be."""
    resources: Resources
    """What it was last told to have."""
    refusal: Refusal | None = None
    good: str | None = None
    """The bundle that came back in the place of the edit that was refused, or would in that of one that is tried."""
    boot: str = ""
    """As of `InstanceState`."""


@frozen(kw_only=True)
class NameState:
    """One container by name, as ``names/NAME.json`` has it: the pointer to its instance and what `status` shows."""

    schema: int = SCHEMA
    name: str
    state: PublicState
    since: float
    """When ``state`` became so."""
    ready: bool = False
    instance: str | None = None
    """The instance that is the name's now."""
    bundle: str | None = None
    pid: int | None = None
    pid_start_time: int | None = None
    started_at: float | None = None
    restarts: int = 0
    """How often it was started again without being asked, since its definition last changed."""
    failures: int = 0
    """How many of them count for the backoff."""
    next_retry_at: float | None = None
    last_exit: Exit | None = None
    message: str = ""
    """Why it is so, in one line: the runtime's own message after a start that failed."""
    problems: tuple[Problem, ...] = ()
    log: str | None = None
    """The log file; None where its output goes elsewhere."""
    log_target: LogTarget = LogTarget.FILE
    held: bool = False
    """An operator has stopped it: it stays so until it is started, its file is removed or the host is booted."""
    edit: Edit | None = None
    """The edit of its file that is live, or that it would be started from."""
    fields: dict[str, Any] = field(factory=dict)
    """What that edit asks for, by dotted path, as far as it is not the default."""
    cgroups_path: str | None = None
    waits_for: tuple[str, ...] = ()
    """The names that are to be ready before it is started."""
    healthy: bool | None = None
    """What its last probes said; None where none has answered yet, or there are none."""
    status_text: str = ""
    """What the application says of itself: STATUS= of sd_notify(3)."""
    store_links: tuple[StoreLink, ...] = ()
    """Where in a Nix store the links lead that its definition names."""
    standing: Standing | None = None


@frozen(kw_only=True)
class AgentState:
    """The agent itself, as ``agent.json`` has it."""

    schema: int = SCHEMA
    pid: int
    pid_start_time: int
    version: str
    started_at: float
    config: str
    state: str
    runtime: str
    runtime_name: str
    settled: bool = False
    message: str = ""
    """What stands in the way of the whole: a directory that cannot be read, no watches left."""
    problems: tuple[Problem, ...] = field(default=())
    """Those of files that name no container, and while a generation is pinned those of all files."""
    pinned: int | None = None
    """The generation that is followed instead of the directory."""
    history_trouble: str = ""
    """Why no generation can be written, or empty."""
    troubles: tuple[str, ...] = ()
    """What else cannot be done for now, and is tried again."""
