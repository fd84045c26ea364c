"""What a command that is run in a container reads and writes: pipes, or a terminal of its own. Floor: system."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import ExitStack

from orchestrator.system.carry import Channel
from orchestrator.system.closing import Closing
from orchestrator.system.console import raw_terminal, read_size, set_size
from orchestrator.system.runtime_output import open_scratch, read_from

_STDIN, _STDOUT, _STDERR = 0, 1, 2


class Streams(Closing):
    """Both ends: what the runtime is given for the command, and the channels to this process's own streams."""

    def __init__(self, *, interactive: bool, with_terminal: bool) -> None:
        """interactive: whether it gets what comes on standard input. with_terminal: whether the runtime makes a
        terminal for it, which `connect_terminal` brings here. Raises OSError."""
        self.given: tuple[int | None, int | None, int | None]
        """Its standard streams, for the runtime's command; None is /dev/null."""
        self.inputs: list[Channel] = []
        self.outputs: list[Channel] = []
        self.with_terminal = with_terminal
        self._interactive = interactive
        self._terminal = -1
        self._said = -1
        self._ends = ExitStack()
        """The command's ends of what is made here."""
        self._ours = ExitStack()
        try:
            self._make()
        except OSError:
            self.close()
            raise

    def _make(self) -> None:
        if self.with_terminal:
            # Its own streams are the runtime's alone then.
            self._said = self._ours.enter_context(open_scratch())
            self.given = (None, self._said, self._said)
            return
        stdin = None
        if self._interactive:
            stdin, sink = self._make_pipe()
            self._add(self.inputs, Channel(_STDIN, sink, owned=sink))
        self._said, stdout = self._make_pipe(reads_here=True)
        self._add(self.outputs, Channel(self._said, _STDOUT, owned=self._said))
        self._said, stderr = self._make_pipe(reads_here=True)
        self._add(self.outputs, Channel(self._said, _STDERR, owned=self._said))
        self.given = (stdin, stdout, stderr)

    def _make_pipe(self, *, reads_here: bool = False) -> tuple[int, int]:
        """A pipe whose end here never blocks, and whose other end is the command's."""
        reader, writer = os.pipe()
        os.set_blocking(reader if reads_here else writer, False)
        self._ends.callback(os.close, writer if reads_here else reader)
        return reader, writer

    def _add(self, channels: list[Channel], channel: Channel) -> None:
        channels.append(channel)
        self._ours.callback(channel.close)

    def close_given(self) -> None:
        """The command has its ends: as long as they are held here too, its output does not end."""
        self._ends.close()

    def read_said(self) -> str:
        """What the runtime has written to standard error, where there is no command that could have."""
        if self.with_terminal:
            return read_from(f"/proc/self/fd/{self._said}", 0)
        with contextlib.suppress(BlockingIOError):
            return os.read(self._said, 4096).decode(errors="replace")
        return ""

    def connect_terminal(self, terminal: int) -> None:
        """Take the terminal's descriptor, which is closed with the rest."""
        self._terminal = terminal
        self._ours.callback(os.close, terminal)
        if self._interactive:
            self._add(self.inputs, Channel(_STDIN, terminal))
        self._add(self.outputs, Channel(terminal, _STDOUT))
        self.fit_terminal()

    def fit_terminal(self) -> None:
        """Make the command's terminal as large as the operator's."""
        size = read_size(_STDIN)
        if self._terminal >= 0 and size is not None:
            set_size(self._terminal, size)

    @contextlib.contextmanager
    def raw_input(self) -> Iterator[None]:
        """Every key that the operator hits goes to the command's terminal as it is, if there is one."""
        with raw_terminal(_STDIN) if self._interactive and self._terminal >= 0 else contextlib.nullcontext():
            yield

    def close(self) -> None:
        """Close what was made here. May be called twice."""
        self._ends.close()
        self._ours.close()
        self._terminal = -1
