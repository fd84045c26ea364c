"""Makes a plugin kind of a program: asks it what it is, VERSION, and nothing else. Floor: system."""

import contextlib
import errno
import os
import select
import signal
import subprocess
from typing import Any

from orchestrator.core.exec_kind import last_line, make_environment, make_exec_kind, read_program
from orchestrator.core.exec_wire import WrongAnswer
from orchestrator.model.exec_plugin import Command
from orchestrator.model.facts import ExecAnswer
from orchestrator.model.registry import Group
from orchestrator.system.programs import MOST_OUTPUT, digest_program
from orchestrator.system.runtime_output import open_scratch

PATIENCE = 2.0
"""Seconds that a program has to say what it is."""


def load_program(path: str, group: Group, name: str, *, patience: float = PATIENCE) -> type[Any]:
    """The kind that the program at ``path`` (absolute) is. Blocks; in a process that reaps its orphans it is called in
    the thread of the event loop, so that nobody else takes the program's end. Raises WrongAnswer."""
    try:
        digest = digest_program(path)
        answer = ask_version(path, patience)
    except OSError as error:
        raise WrongAnswer(f"it cannot be run: {_explain(error)}") from error
    return make_exec_kind(read_program(group, name, path, digest, answer))


def ask_version(path: str, patience: float) -> ExecAnswer:
    """What it answers to VERSION. Nothing of its process group is left. Raises OSError."""
    with open_scratch() as output, open_scratch() as errors:
        process = subprocess.Popen(
            [path],
            env=make_environment(Command.VERSION, os.environ.get("PATH")),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            ended = _wait_end(process.pid, patience)
        finally:
            # It is a zombie at the most, so that the number of its group is still its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        if not ended:
            return ExecAnswer(None, detail=f"it took longer than {patience:g} s to say what it is")
        said, complained = os.pread(output, MOST_OUTPUT + 1, 0), os.pread(errors, MOST_OUTPUT, 0)
    if len(said) > MOST_OUTPUT:
        return ExecAnswer(None, detail=f"it printed more than {MOST_OUTPUT >> 20} MiB")
    return ExecAnswer(code if code >= 0 else 128 - code, said.decode(errors="replace"), last_line(complained))


def _wait_end(pid: int, patience: float) -> bool:
    """Whether a child ends within so many seconds. Raises OSError."""
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(patience * 1000))
    finally:
        os.close(pidfd)


def _explain(error: OSError) -> str:
    text = (error.strerror or str(error)).lower()
    return f'{text}: a script begins with "#!"' if error.errno == errno.ENOEXEC else text
