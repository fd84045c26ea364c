"""The event log: what happened to the containers, for people and programs. Not an `Event` of the lifecycle.

Floor: model.
"""

from enum import Enum

from attrs import frozen

from orchestrator.model.action import FieldChange
from orchestrator.model.life import Exit
from orchestrator.model.problem import Problem


class RecordKind(Enum):
    """What happened."""

    AGENT_STARTED = "agent started"
    AGENT_STOPPED = "agent stopped"
    STARTED = "started"
    """The application has begun."""
    READY = "ready"
    """It is ready, by more than having been started."""
    UNREADY = "not ready"
    """It runs, and is not ready any more; ``message`` says why."""
    START_FAILED = "start failed"
    EXITED = "exited"
    """The application has ended; ``exit`` says how."""
    COMPLETED = "completed"
    """A oneshot has ended with success."""
    RETRY = "retry"
    """It is started again at ``retry_at``."""
    GAVE_UP = "gave up"
    """It is not started again."""
    STOPPING = "stopping"
    """The application has been asked to end; ``message`` says why, if that is its own doing."""
    STOPPED = "stopped"
    """It was stopped, and rests."""
    REPLACED = "replaced"
    """A replacement was begun, because of ``fields``."""
    UPDATED = "updated"
    RETUNED = "retuned"
    PROBLEM = "problem"
    """Its definition has problems now, or others."""
    MENDED = "mended"
    REMOVED = "removed"
    """Its definition is gone, and so is all of it."""
    OPERATOR = "operator"
    """An operator asked for something; ``message`` says what."""
    TROUBLE = "trouble"
    """Something stands in the way; ``message`` says what."""


@frozen(kw_only=True)
class Record:
    """One line of the event log. ``at`` is in epoch seconds; ``name`` is empty for what concerns the agent."""

    at: float
    kind: RecordKind
    name: str = ""
    instance: str | None = None
    message: str = ""
    exit: Exit | None = None
    retry_at: float | None = None
    fields: tuple[FieldChange, ...] = ()
    problems: tuple[Problem, ...] = ()
