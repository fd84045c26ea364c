"""Where the output of an application goes: a closed set of kinds. Floor: model."""

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import frozen

from orchestrator.model.option import Change, option
from orchestrator.model.types import Size


@frozen(kw_only=True)
class FileLog:
    """A file of the state directory, kept within a bound by cutting off its head; `orchestrator logs` shows it."""

    type: ClassVar[str] = "file"
    max_size: Size = option(
        default=Size(16 * 1024 * 1024),
        doc="How much of it is kept.",
        change=Change.RETUNE,
        minimum=64 * 1024,
        example='"64M"',
    )


@frozen(kw_only=True)
class JournalLog:
    """systemd's journal, with ``orchestrator/NAME`` as the identifier (`orchestrator.core.output.identify_stream`).
    /dev/stdout cannot be opened inside then: it is a socket (ENXIO, open(2))."""

    type: ClassVar[str] = "journal"


@frozen(kw_only=True)
class NoLog:
    """Nowhere."""

    type: ClassVar[str] = "none"


Log = FileLog | JournalLog | NoLog
"""Where the output of an application goes."""

LOG_KINDS: Mapping[str, type[Any]] = {kind.type: kind for kind in (FileLog, JournalLog, NoLog)}
