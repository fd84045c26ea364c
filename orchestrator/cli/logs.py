"""`orchestrator logs`: what a container's application has written, and with ``-f`` what it writes from now on.

Reads the log file alone and needs no agent. Floor: cli.
"""

import os
import sys

import click
import trio

from orchestrator.cli.errors import INTERRUPTED, warn
from orchestrator.cli.settings import layout_of, state_option
from orchestrator.model.layout import Layout
from orchestrator.ports import OutsideError
from orchestrator.system.logfollow import LogFollower
from orchestrator.system.logs import CHUNK, LogReader, Piece

DEFAULT_LINES = 100


class LogUnreadable(OutsideError):
    """The log of a container cannot be read."""


def take_lines(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    """A click callback: a number of lines, or ``all``, which becomes None."""
    if value == "all":
        return None
    if value.isascii() and value.isdigit():
        return int(value)
    raise click.BadParameter(f'"{value}" is neither a number of lines nor "all"', ctx, param)


@click.command("logs")
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option(
    "-n",
    "--lines",
    metavar="N|all",
    callback=take_lines,
    default=str(DEFAULT_LINES),
    show_default=True,
    help="How many of the last lines to begin with.",
)
@state_option
def command(name: str, follow: bool, lines: int | None, state: str) -> int:
    """Show what the container NAME has written to its output."""
    # Nothing of a log lies in the run directory, and asking for it would fail where there is none.
    return print_logs(layout_of(state, ""), name, follow=follow, lines=lines)


def print_logs(layout: Layout, name: str, *, follow: bool, lines: int | None) -> int:
    """Write the last ``lines`` lines of a container's log (None: all of it) to standard output, and with ``follow``
    what comes after, until interrupted. Returns the exit code.

    Raises LogUnreadable where there is no log (with ``follow``: no log yet is waited for), NoWatchesLeft, and
    BrokenPipeError when the reader of the output has gone.
    """
    path = layout.log(name)
    if "/" in name or name in ("", ".", ".."):
        raise LogUnreadable(f'there is no container "{name}": a name has no slash')
    try:
        if follow and os.path.isdir(layout.logs):
            if not os.path.exists(path):
                warn(f"there is no log of {name} yet, waiting for {path}")
            trio.run(_follow, path, lines)
        with LogReader(path) as reader:
            end = reader.seek_tail(lines)  # as it is now: under a fast writer there would be no other
            output = _Output()
            while reader.position < end and (piece := reader.read(min(CHUNK, end - reader.position))):
                output.write(piece)
    except BrokenPipeError:
        raise  # it is of the output, not of the log
    except KeyboardInterrupt:
        return INTERRUPTED
    except FileNotFoundError:
        raise LogUnreadable(f"there is no log of {name} ({path}): has it ever run?") from None
    except OSError as error:
        raise LogUnreadable(f"cannot read the log of {name} ({error.filename or path}): {error.strerror}") from None
    return 0


async def _follow(path: str, lines: int | None) -> None:
    output = _Output()
    with LogFollower(path, lines) as follower:
        async for piece in follower:
            output.write(piece)


class _Output:
    """Standard output, which remembers whether it stands in the middle of a line."""

    def __init__(self) -> None:
        self._in_line = False

    def write(self, piece: Piece) -> None:
        """Write a piece, and say what was dropped before it. A line whose end was dropped is ended there, so that the
        one that comes next is not taken for a part of it."""
        if piece.dropped:
            warn(f"{piece.dropped} bytes were dropped from the log before they could be shown")
            if self._in_line:
                sys.stdout.buffer.write(b"\n")
                self._in_line = False
        if piece.data:
            sys.stdout.buffer.write(piece.data)
            self._in_line = not piece.data.endswith(b"\n")
        sys.stdout.buffer.flush()
