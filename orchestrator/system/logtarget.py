"""What an application's output is connected to when its instance is created: a file, the journal or nothing.

Floor: system.
"""

import contextlib
import os
import time
from collections.abc import Iterator

from orchestrator.core.output import identify_stream
from orchestrator.model.bundle import Instance, LogTarget
from orchestrator.ports import OutsideError
from orchestrator.system.journal import open_stream
from orchestrator.system.logmarks import mark_start


@contextlib.contextmanager
def open_output(instance: Instance) -> Iterator[int]:
    """A descriptor for standard output and errors of the instance, which is marked as beginning now in its log. Raises
    OutsideError."""
    descriptor = _open_target(instance)
    try:
        if instance.bundle.log is not LogTarget.NONE:
            # Without the mark `logs` knows less of it, which is no reason not to run.
            with contextlib.suppress(OSError):
                mark_start(instance.log, instance.id, time.time())
        yield descriptor
    finally:
        os.close(descriptor)


def _open_target(instance: Instance) -> int:
    match instance.bundle.log:
        case LogTarget.FILE:
            return _open_log(instance.log)
        case LogTarget.JOURNAL:
            return open_stream(_identify(instance))
        case LogTarget.NONE:
            return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def _identify(instance: Instance) -> str:
    run = os.path.dirname(os.path.dirname(instance.folder))  # `Layout.instance`
    return identify_stream(run, instance.name)


def _open_log(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise OutsideError(f"cannot open its log {path}: {error.strerror}") from error
