"""Writing logs to standard output: one as it is, several with the name before each line. Floor: cli."""

import os
import sys
from collections.abc import Sequence

from orchestrator.cli.errors import warn, write_bytes
from orchestrator.system.logs import Piece

LONGEST_LINE = 1024 * 1024
"""Bytes of a line that are kept until its end comes, so that the lines of several logs stay whole."""
_COLOURS = (36, 33, 32, 35, 34, 31)
"""Of the names, on a terminal: cyan, yellow, green, magenta, blue, red (ECMA-48, SGR)."""


class Output:
    """Standard output for one log, byte for byte; it remembers whether it stands in the middle of a line."""

    def __init__(self) -> None:
        self._in_line = False

    def write(self, piece: Piece) -> None:
        """Write a piece, and say what was dropped before it. A line whose end was dropped is ended there, so that the
        one that comes next is not taken for a part of it. Raises BrokenPipeError, OutputFailed."""
        if piece.dropped:
            warn(f"{piece.dropped} bytes were dropped from the log before they could be shown")
            self.end_line()
        if piece.data:
            write_bytes(piece.data)
            self._in_line = not piece.data.endswith(b"\n")

    def end_line(self) -> None:
        """What comes next begins a line."""
        if self._in_line:
            write_bytes(b"\n")
            self._in_line = False


class NamedOutput:
    """Standard output for one of several logs: whole lines, each with the name of the container before it."""

    def __init__(self, name: str, prefix: bytes) -> None:
        self._name = name
        self._prefix = prefix
        self._begun = b""

    def write(self, piece: Piece) -> None:
        """Write the lines that a piece ends, and say what was dropped before it.

        Raises BrokenPipeError, OutputFailed."""
        if piece.dropped:
            warn(f"{self._name}: {piece.dropped} bytes were dropped from the log before they could be shown")
            self.end_line()
        *lines, self._begun = (self._begun + piece.data).split(b"\n")
        write_bytes(b"".join(b"%b%b\n" % (self._prefix, line) for line in lines))
        if len(self._begun) > LONGEST_LINE:
            self.end_line()

    def end_line(self) -> None:
        """Write what there is of a line whose end does not come."""
        if self._begun:
            write_bytes(b"%b%b\n" % (self._prefix, self._begun))
            self._begun = b""


def make_outputs(names: Sequence[str]) -> dict[str, Output | NamedOutput]:
    """An output for each name."""
    if len(names) == 1:
        return {names[0]: Output()}
    width = max(map(len, names), default=0)
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    outputs: dict[str, Output | NamedOutput] = {}
    for index, name in enumerate(names):
        prefix = f"{name:<{width}} | "
        if coloured:
            prefix = f"\x1b[{_COLOURS[index % len(_COLOURS)]}m{prefix}\x1b[0m"
        outputs[name] = NamedOutput(name, prefix.encode())
    return outputs
