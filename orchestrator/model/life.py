"""Where a supervised container stands, as the table of `orchestrator.core.lifecycle` goes by it. Floor: model."""

from enum import Enum

from attrs import frozen


class Phase(Enum):
    """Where the supervision of a container stands; the rows of the table in `orchestrator.core.lifecycle`."""

    IDLE = "idle"
    BLOCKED = "blocked"
    """It waits for others to be ready."""
    WAITING = "waiting"
    """It waits for a place among those that may start at a time."""
    BUILDING = "building"
    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    ABANDONING = "abandoning"
    STOPPING = "stopping"
    KILLING = "killing"
    CLEANING = "cleaning"
    BACKOFF = "backoff"


class Outcome(Enum):
    """Why a life rests."""

    NONE = "none"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAILED = "failed"


@frozen(kw_only=True)
class Exit:
    """How an application ended, or that it never began.

    Exactly one of ``code`` (wait(2) status 0-255) and ``signal`` (its number) is set when it ran; neither when the
    start failed, or when nobody saw the end. ``oom``: the kernel killed in it for want of memory. ``at``: epoch
    seconds.
    """

    code: int | None = None
    signal: int | None = None
    oom: bool = False
    at: float

    @property
    def success(self) -> bool:
        """An exit with code 0 (after an out-of-memory kill of a child too: the application decided that)."""
        return self.code == 0


@frozen(kw_only=True)
class Life:
    """Where a supervised container stands. Times are those of one monotonic clock, in seconds."""

    phase: Phase = Phase.IDLE
    wanted: bool = False
    """The wish: is it to run?"""
    halted: bool = False
    """The end of this instance was asked for, so it is no failure."""
    ready_since: float | None = None
    was_ready: bool = False
    """Whether this instance has been ready."""
    unheard: bool = False
    """Whether it may have said that it is ready while no agent listened: it is taken for ready when its time is up."""
    unwell: str = ""
    """Why this instance is ended though it was not asked for: that is a failure, however it exits."""
    unbuilt: bool = False
    """Whether it could not even be made, for want of room or of what it is made from: the host's failure and not its
    own, so that it is tried again whatever its policy says of failures."""
    deadline: float | None = None
    restarts: int = 0
    failures: int = 0
    restarted_at: tuple[float, ...] = ()
    """When it was last started again without being asked, as far as `Restart.max_restarts` needs it."""
    cleaned_at: float = 0.0
    """When the last instance had been removed: what `judge` goes by stands still while the life rests."""
    last_exit: Exit | None = None
    outcome: Outcome = Outcome.NONE
    message: str = ""
    """Why, in one line: of the last failure, until the next success or until it is forgiven."""
    trouble: str = ""
    """Why what it left cannot be removed, until it is."""
