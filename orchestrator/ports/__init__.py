"""What tasks need of the outside, as Protocols. `orchestrator.system` has the real ones, `testing` the fakes.

One foreign thing a module; whoever needs a port imports it from here. Floor: above core, beside plugin.
"""

from orchestrator.ports.attacher import Attacher, AttachFailed
from orchestrator.ports.directory import Directory, World
from orchestrator.ports.disk import Disk, LogWatch
from orchestrator.ports.errors import (
    DiskFailed,
    LogBusy,
    OutsideError,
    Refused,
    RuntimeFailed,
    UnknownName,
    single_errors,
)
from orchestrator.ports.health import NotAsked, NotifySocket, NotifySockets, Prober
from orchestrator.ports.history import Damaged, GenerationStore
from orchestrator.ports.keeper import DescriptorStore
from orchestrator.ports.listeners import Listeners, ListenFailed
from orchestrator.ports.networks import NetworkGone, Networks
from orchestrator.ports.notifier import Notifier
from orchestrator.ports.operator import Operation, Operator, Part
from orchestrator.ports.runtime import Process, Processes, Runtime, RuntimeStatus

__all__ = [
    "AttachFailed",
    "Attacher",
    "Damaged",
    "DescriptorStore",
    "Directory",
    "Disk",
    "DiskFailed",
    "GenerationStore",
    "ListenFailed",
    "Listeners",
    "LogBusy",
    "LogWatch",
    "NetworkGone",
    "Networks",
    "NotAsked",
    "Notifier",
    "NotifySocket",
    "NotifySockets",
    "Operation",
    "Operator",
    "OutsideError",
    "Part",
    "Prober",
    "Process",
    "Processes",
    "Refused",
    "Runtime",
    "RuntimeFailed",
    "RuntimeStatus",
    "UnknownName",
    "World",
    "single_errors",
]
