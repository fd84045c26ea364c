"""What plugin kinds do to the host for an instance: planned with the bundle, written down with the instance.

Floor: model.
"""

from typing import Any

from attrs import frozen

from orchestrator.model.contribution import Stage

OWN = "@own"
"""What the path of a folder begins with that an instance has to itself for one use of a kind, in memory: it is gone
with the instance. A contribution does not know which instance it will be."""
SCRATCH = "@scratch"
"""The same on the disk of the state directory, for what may be large."""
SHARED = "@shared"
"""A folder in memory that the instances of all containers share, until the host is booted."""
KEPT = "@kept"
"""A folder that lasts, in the state directory."""


@frozen(kw_only=True)
class PlannedAttachment:
    """Something that is to be done for each instance."""

    group: str
    """The entry-point group of the kind."""
    type: str
    """The kind's name there."""
    key: str
    """Which of the definition's uses it is: the destination of a mount; empty for the network."""
    stage: Stage
    work: dict[str, Any]


@frozen(kw_only=True)
class Attached:
    """How far that is for one instance."""

    plan: PlannedAttachment
    begun: bool = False
    """It has been begun, so that there is something to be undone, perhaps."""
    done: bool = False
    """``attach`` has come to its end."""
    state: dict[str, Any] | None = None
    """What it returned; None where it did not."""
