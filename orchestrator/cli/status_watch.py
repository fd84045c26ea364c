"""`orchestrator status --watch`: how the containers are, again at each change of a state file. Floor: cli.

A terminal gets a screen that is drawn again, at the latest each second for the ages; anything else the table, or with
``--json`` a line, for each change.
"""

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence

import trio
from attrs import evolve

from orchestrator.cli.errors import INTERRUPTED, one_line, write_output
from orchestrator.cli.status import Files, View, format_view, read_files, select_names, take_view
from orchestrator.core.status import row_to_json
from orchestrator.model.layout import Layout
from orchestrator.system.statewatch import StateWatch

LOOK_INTERVAL = 1.0
"""Seconds after which ages are shown anew, and it is looked whether agent and processes are alive."""
MIN_INTERVAL = 0.2
"""Seconds between two readings of the files at least: many containers that start together are one change."""

_SCREEN_ON = "\x1b[?1049h\x1b[?25l"
_SCREEN_OFF = "\x1b[?25h\x1b[?1049l"
"""The alternate screen, without a cursor (xterm's private modes, which all terminals of today know)."""


def watch_status(layout: Layout, names: Sequence[str], *, as_json: bool) -> int:
    """Show how the containers are until interrupted: all, or those of the names as far as they are there. Needs no
    agent and no run directory: both are waited for. Returns 130. Raises DiskFailed, OutputFailed, BrokenPipeError,
    NoWatchesLeft, StatesUnwatchable."""
    drawn = sys.stdout.isatty() and not as_json
    with contextlib.suppress(KeyboardInterrupt), _own_screen() if drawn else contextlib.nullcontext():
        trio.run(_watch, layout, names, as_json, drawn)
    return INTERRUPTED


async def _watch(layout: Layout, names: Sequence[str], as_json: bool, drawn: bool) -> None:
    shown: View | None = None
    with StateWatch(layout) as watch:
        while True:
            with trio.move_on_after(LOOK_INTERVAL) as quiet:
                await watch.wait_changed()
            if shown is None or not quiet.cancelled_caught:
                files = _read(layout, names)
                read_at = trio.current_time()
            view = take_view(layout, files, with_nameless=not names)
            if drawn:
                write_output(_format_screen(view))
            elif view != shown:
                write_output(_format_json(view) if as_json else _format_block(view, first=shown is None))
            shown = view
            await trio.sleep_until(read_at + MIN_INTERVAL)


def _read(layout: Layout, names: Sequence[str]) -> Files:
    files = read_files(layout)
    return evolve(files, names=select_names(files.names, names)) if names else files


def _format_json(view: View) -> str:
    return json.dumps([row_to_json(row) for row in view.rows], separators=(",", ":")) + "\n"


def _format_block(view: View, *, first: bool) -> str:
    return ("" if first else "\n") + _format_text(view)


def _format_text(view: View) -> str:
    warnings = "".join(f"{one_line(text)}\n" for text in view.warnings)
    return warnings + (format_view(view) or "there is no container\n")


def _format_screen(view: View) -> str:
    """The text over what stood there before, as much of it as fits."""
    height = shutil.get_terminal_size().lines
    lines = _format_text(view).splitlines()
    if len(lines) > height:
        lines = [*lines[: height - 1], f"({len(lines) - height + 1} more lines)"]
    return "\x1b[H" + "\x1b[K\n".join(lines) + "\x1b[J"


@contextlib.contextmanager
def _own_screen() -> Iterator[None]:
    write_output(_SCREEN_ON)
    try:
        yield
    finally:
        write_output(_SCREEN_OFF)
