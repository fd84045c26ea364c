"""What the agent itself says: lines on stderr, and the file of a defect. Floor: system."""

import sys
import time
import traceback
from contextlib import suppress

from orchestrator import __version__
from orchestrator.ports import single_errors


def say(text: str) -> None:
    """A line for whoever reads the agent's output: a person in the foreground, the journal under systemd."""
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    with suppress(OSError):  # nobody reads any more, which must not end a container
        print(line, file=sys.stderr, flush=True)


def report_defect(error: BaseException, state: str) -> None:
    """One line for people; the traceback, which nobody could ask for again, into a file of the state directory that
    the line names."""
    path = f"{state}/crash.log"
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} agent {__version__}\n")
            traceback.print_exception(error, file=file)
        where = f"the traceback is in {path}"
    except OSError as failure:
        where = f"cannot write the traceback to {path}: {failure.strerror}"
    for leaf in single_errors(error):
        say(f"orchestrator: internal error: {type(leaf).__name__}: {leaf} ({where})")
