"""One container explained, as ``orchestrator status NAME`` shows it: what is looked at for it, and how it is printed.

What is said is decided by `orchestrator.core.explain`. Floor: cli.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.cli.errors import one_line, write_output
from orchestrator.cli.table import STYLES, paint
from orchestrator.core.explain import Explanation, Seen, explain_row
from orchestrator.core.output import identify_stream
from orchestrator.core.status import StatusRow
from orchestrator.model.bundle import LogTarget
from orchestrator.model.layout import Layout
from orchestrator.ports import OutsideError
from orchestrator.system.journal import JournalQuery, read_journal
from orchestrator.system.logs import read_tail
from orchestrator.system.sources import read_source
from orchestrator.system.usage import read_usage

LAST_LINES = 10
"""Lines of the log that are shown below."""
LONGEST_LINE = 500
"""Characters of such a line that are shown."""


def print_explained(row: StatusRow, fields: Mapping[str, Any], layout: Layout) -> None:
    """Print a row explained. fields: what its definition asks for, by dotted path. Raises OutputFailed,
    BrokenPipeError."""
    seen = _look_at(row, layout)
    explanation = explain_row(row, fields, seen)
    write_output("\n".join((*_format(explanation), *_format_log(row, seen))) + "\n")


def _look_at(row: StatusRow, layout: Layout) -> Seen:
    usage, trouble = None, ""
    if row.cgroups_path is not None:
        try:
            usage = read_usage(row.cgroups_path)
        except OutsideError as error:
            trouble = str(error)
    files = {problem.file for problem in row.problems} | ({row.edit.file} if row.edit is not None else set())
    sources = {file: read_source(file) for file in files}
    return Seen(
        now=time.time(),
        offset_of=lambda at: time.localtime(at).tm_gmtoff,
        file=sources[row.edit.file] if row.edit is not None else None,
        usage=usage,
        trouble=trouble,
        texts={file: source.text for file, source in sources.items()},
        identifier=identify_stream(layout.run, row.name),
    )


def _format(explanation: Explanation) -> Iterable[str]:
    state = paint(explanation.state.value, STYLES[explanation.state.value])
    yield f"{paint(explanation.name, 'bold')}: {state}{explanation.rest}"
    width = max((len(label) for label, _ in explanation.lines), default=0)
    for label, text in explanation.lines:
        yield f"  {label:>{width}}: {one_line(text)}"
    if explanation.problems:
        yield ""
        yield "problems:"
        for problem in explanation.problems:
            yield from (f"  {line}" for line in problem.splitlines())


def _format_log(row: StatusRow, seen: Seen) -> Iterable[str]:
    try:
        text = _read_log(row, seen)
    except (OSError, OutsideError) as error:
        yield ""
        yield f"its log cannot be shown: {error.strerror if isinstance(error, OSError) else error}"
        return
    lines = text.decode(errors="replace").split("\n")
    if not lines[-1]:
        lines.pop()
    if lines:
        yield ""
        yield f"the last line{'s' if len(lines) > 1 else ''} of its log:"
        yield from (f"  {_visible(line)}" for line in lines)


def _read_log(row: StatusRow, seen: Seen) -> bytes:
    if row.log_target is LogTarget.JOURNAL:
        return read_journal(JournalQuery(identifier=seen.identifier, lines=LAST_LINES))
    if row.log is None:
        return b""
    try:
        return read_tail(row.log, LAST_LINES)
    except FileNotFoundError:  # it has not run yet
        return b""


def _visible(line: str) -> str:
    """A line of an application's, without what a terminal would obey: here it is one part of a whole."""
    shown = line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown.expandtabs())
