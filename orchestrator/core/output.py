"""Where the output of an application goes (`log`): what must be there for it. Floor: core."""

from orchestrator.model.facts import Facts, PathKind, PathQuestion
from orchestrator.model.log import FileLog, JournalLog, Log
from orchestrator.model.problem import Fault

JOURNAL = "/run/systemd/journal/stdout"
"""The socket that takes the output of services (systemd-journald.service(8), "Stream logging")."""


def identify_stream(run: str, name: str) -> str:
    """What a container's entries in the journal are found by: ``orchestrator/web``, and of an agent with another run
    directory ``/srv/two/run/web``.

    The name alone may be that of one of the host's services, or of another agent's container. Nothing else that the
    journal keeps of a stream would tell them apart: process, unit and control group are those of whoever wrote a line,
    and missing where it has ended before the journal looks (systemd.journal-fields(7)).
    """
    return f"{run}/{name}".removeprefix("/run/")


def log_questions(log: Log) -> tuple[PathQuestion, ...]:
    """What must be known for a log."""
    return (PathQuestion(JOURNAL),) if isinstance(log, JournalLog) else ()


def find_log_faults(log: Log, facts: Facts) -> tuple[Fault, ...]:
    """Why there can be no such log here."""
    if not isinstance(log, JournalLog):
        return ()
    answer = facts.paths[JOURNAL]
    match answer.kind:
        case PathKind.OTHER:
            return ()
        case PathKind.DENIED:
            why = f"cannot look at {JOURNAL}: {answer.detail}"
        case PathKind.MISSING:
            why = f"there is no {JOURNAL}"
        case PathKind.FILE | PathKind.DIRECTORY:
            why = f"{JOURNAL} is no socket"
    return (Fault(("log",), f"cannot log to the journal: {why}", 'start systemd-journald, or write log = "file"'),)


def log_bound(log: Log) -> int | None:
    """How many bytes of its file are kept; None where it is no file."""
    return log.max_size if isinstance(log, FileLog) else None
