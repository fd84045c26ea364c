"""A table of short texts: by rich on a terminal, as plain aligned columns elsewhere. Floor: cli."""

import os
import sys
from collections.abc import Mapping, Sequence

from orchestrator.cli.errors import one_line, write_output

STYLES: Mapping[str, str] = {
    "running": "green",
    "completed": "green",
    "starting": "cyan",
    "building": "cyan",
    "waiting": "cyan",
    "stopping": "yellow",
    "backoff": "yellow",
    "failed": "bold red",
    "invalid": "bold red",
    "stopped": "dim",
    "idle": "dim",
}
"""The colour of a state on a terminal."""

_CODES: Mapping[str, str] = {"green": "32", "cyan": "36", "yellow": "33", "bold red": "1;31", "dim": "2", "bold": "1"}
"""The same as ECMA-48 has it (SGR): for a word here and there, which rich is not loaded for."""


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print to standard output. Every cell becomes one line without control characters.

    Raises OutputFailed, BrokenPipeError.
    """
    write_output(format_table(headers, rows))


def format_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As `print_table` prints it."""
    clean = [[one_line(cell) for cell in row] for row in rows]
    return _format_rich(headers, clean) if sys.stdout.isatty() else format_plain(headers, clean)


def format_plain(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart, nothing after the last cell of a line."""
    lines = [headers, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def paint(text: str, style: str) -> str:
    """A text in one of the styles of `STYLES`, or ``bold``; as it is where standard output is no terminal, or no
    colours are wanted (https://no-color.org)."""
    if not style or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def _format_rich(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from rich.console import Console  # 40 ms, for people only
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, header in enumerate(headers):
        last = index == len(headers) - 1
        table.add_column(header, no_wrap=not last, overflow="fold" if last else "ellipsis")
    for row in rows:
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    console = Console(highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()
