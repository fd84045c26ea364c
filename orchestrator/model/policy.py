"""What the agent does around the application: when it starts it again, and how it ends it. Floor: model."""

from enum import Enum

from attrs import frozen

from orchestrator.model.option import Change, option
from orchestrator.model.types import Duration, SignalName


class ContainerType(Enum):
    """What it means when the application ends."""

    SERVICE = "service"
    ONESHOT = "oneshot"


class Ready(Enum):
    """What makes a container ready."""

    STARTED = "started"
    NOTIFY = "notify"
    HEALTHY = "healthy"


class OnFailedUpdate(Enum):
    """What the agent does when an edit's new instance does not become ready."""

    ROLLBACK = "rollback"
    RETRY = "retry"


class OnExit(Enum):
    """What the agent does when the application has ended."""

    RESTART = "restart"
    STOP = "stop"


@frozen(kw_only=True)
class Restart:
    """What happens when the application ends, and how long the agent waits before it starts it again."""

    on_failure: OnExit = option(
        default=OnExit.RESTART,
        doc="After a failure: an exit code other than 0, a signal, out of memory, a start that failed.",
        change=Change.RETUNE,
        example='"stop"',
    )
    on_success: OnExit | None = option(
        default=None,
        doc="After an exit with code 0. Default: restart, for a oneshot stop.",
        change=Change.RETUNE,
        example='"stop"',
    )
    delay: Duration = option(
        default=Duration(0.1),
        doc="How long to wait before the first restart.",
        change=Change.RETUNE,
        minimum=0.0,
        maximum=86400.0,
        example='"100ms"',
    )
    factor: float = option(
        default=2.0,
        doc="By how much the wait grows with each failure that follows.",
        change=Change.RETUNE,
        minimum=1.0,
        maximum=100.0,
        example="2.0",
    )
    max_delay: Duration = option(
        default=Duration(60.0),
        doc='The longest wait; with `"0s"` a program that crashes is started again without a pause.',
        change=Change.RETUNE,
        minimum=0.0,
        maximum=86400.0,
        example='"1m"',
    )
    jitter: float = option(
        default=0.2,
        doc="The part of the wait, more or less, that is left to chance, so that many do not start as one.",
        change=Change.RETUNE,
        minimum=0.0,
        maximum=1.0,
        example="0.2",
    )
    reset_after: Duration = option(
        default=Duration(60.0),
        doc="After running and ready for so long, the next failure waits `delay` again.",
        change=Change.RETUNE,
        minimum=0.0,
        maximum=86400.0 * 7,
        example='"1m"',
    )
    max_restarts: int | None = option(
        default=None,
        doc="Give up when it would have to be started again more often than so within `window`. Default: never.",
        change=Change.RETUNE,
        minimum=0,
        maximum=1000,
        example="5",
    )
    window: Duration = option(
        default=Duration(600.0),
        doc="The time that `max_restarts` counts over.",
        change=Change.RETUNE,
        minimum=1.0,
        maximum=86400.0 * 7,
        example='"10m"',
    )


@frozen(kw_only=True)
class Stop:
    """How the application is asked to end, and how long it may take."""

    signal: SignalName = option(
        default=SignalName("SIGTERM"),
        doc="The signal that asks it to end.",
        change=Change.RETUNE,
        example='"SIGQUIT"',
    )
    timeout: Duration = option(
        default=Duration(10.0),
        doc="After so long everything in the container is killed, unless it asks for more time (EXTEND_TIMEOUT_USEC).",
        change=Change.RETUNE,
        minimum=0.0,
        maximum=86400.0,
        example='"30s"',
    )
