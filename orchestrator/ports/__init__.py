"""What tasks need of the outside, as Protocols. `orchestrator.system` has the real ones, `testing` the fakes.

One foreign thing a module; whoever needs a port imports it from here. Floor: above core, beside plugin.
"""

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
from orchestrator.ports.notifier import Notifier
from orchestrator.ports.operator import Operation, Operator, Part
from orchestrator.ports.runtime import Process, Runtime

__all__ = [
    "Directory",
    "Disk",
    "DiskFailed",
    "LogBusy",
    "LogWatch",
    "Notifier",
    "Operation",
    "Operator",
    "OutsideError",
    "Part",
    "Process",
    "Refused",
    "Runtime",
    "RuntimeFailed",
    "UnknownName",
    "World",
    "single_errors",
]
