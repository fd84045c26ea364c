"""How every command ends when it cannot do what it was asked: one clear line on stderr and an exit code.

An exit code of 0 to 2 comes from the command itself; what the line says is left to the error.

One rule for all when the reader of the output has gone (`| head`): they end without a word and with 141, as a shell
tells of cat(1) or grep(1) that SIGPIPE ended. Not with 0, since that would claim of `check` that there is no problem.
Floor: cli.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator

import click

from orchestrator.ports import OutsideError, single_errors

FAILED = 1
INTERNAL = 70
"""EX_SOFTWARE of sysexits.h(3head)."""
INTERRUPTED = 130
"""As shells have it: 128 and SIGINT."""
UNREAD = 141
"""As shells have it: 128 and SIGPIPE."""

TRACEBACK = "ORCHESTRATOR_TRACEBACK"


class OutputFailed(OutsideError):
    """What was asked for could not be written to standard output."""


class OutputUnread(Exception):
    """The reader of standard output has gone; no OSError, of which click would make an exit with code 1."""


@contextlib.contextmanager
def keep_from_click() -> Iterator[None]:
    """Raises OutputUnread for BrokenPipeError."""
    try:
        yield
    except BrokenPipeError as error:
        raise OutputUnread from error


def guard(command: Callable[[], object]) -> int:
    """Run a command and return its exit code: what it returns if that is a number, else 0."""
    try:
        result = command()
        _flush()
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        # `list` is what a group does without a word, and nothing to ask for.
        hint = f" (see {context.command_path.removesuffix(' list')} --help)" if context is not None else ""
        warn(f"{error.format_message().rstrip('.')}{hint}")
        return error.exit_code
    except BaseException as error:
        # The one place that catches everything: a user never sees a traceback unasked.
        if isinstance(error, SystemExit | GeneratorExit):
            raise
        return _report(error)
    return result if isinstance(result, int) else 0


def write_output(text: str) -> None:
    """Write to standard output, now. Raises OutputFailed (a full disk), BrokenPipeError (the reader has gone)."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output()
        raise OutputFailed(f"cannot write to standard output: {error.strerror}") from error


def warn(message: str) -> None:
    """One line on stderr. If nobody can read it, there is nobody to tell."""
    with contextlib.suppress(OSError):
        click.echo(f"orchestrator: {one_line(message)}", err=True)


def one_line(text: str) -> str:
    """A message without line ends and without characters that a terminal would obey."""
    joined = " ".join(text.split())
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in joined
    )


def _report(error: BaseException) -> int:
    leaves = list(single_errors(error))
    if any(isinstance(leaf, BrokenPipeError | OutputUnread) for leaf in leaves):
        _drop_output()
        return UNREAD
    leaves = [_explain_full(leaf) for leaf in leaves]
    bugs = [leaf for leaf in leaves if not isinstance(leaf, OutsideError | KeyboardInterrupt | click.Abort)]
    for leaf in leaves:
        if isinstance(leaf, OutsideError):
            warn(str(leaf))
    if not bugs:
        return FAILED if any(isinstance(leaf, OutsideError) for leaf in leaves) else INTERRUPTED
    asked = os.environ.get(TRACEBACK, "") not in ("", "0")
    if asked:
        import traceback

        traceback.print_exception(error)
    for bug in bugs:
        hint = "" if asked else f" (set {TRACEBACK}=1 to see where)"
        warn(f"internal error: {type(bug).__name__}: {bug}{hint}")
    return INTERNAL


def _explain_full(error: BaseException) -> BaseException:
    """What click itself could not write, as help: of a file the error would name it."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        _drop_output()
        return OutputFailed(f"cannot write to standard output: {error.strerror}")
    return error


def write_bytes(data: bytes) -> None:
    """As `write_output`, of what need not be text."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output()
        raise OutputFailed(f"cannot write to standard output: {error.strerror}") from error


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output()
        raise OutputFailed(f"cannot write to standard output: {error.strerror}") from error


def _drop_output() -> None:
    """What is still in the buffer would fail once more when the interpreter ends, with a traceback."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
