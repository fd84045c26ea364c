"""How a further command begins in a container that runs: by the runtime's ``exec --detach``, which makes it and ends.

Its process is then a child of whoever called the runtime, a child subreaper. What becomes of it is for
`orchestrator.system.exec`, an operator's, and `orchestrator.system.probe_exec`, the agent's. Floor: system.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.core.exec_process import FAILED, judge_refusal
from orchestrator.core.lacking import RAILCAR
from orchestrator.model.state import InstanceState
from orchestrator.ports import OutsideError
from orchestrator.system.reaper import Children
from orchestrator.system.runtime_output import clean_message, find_message, read_from
from orchestrator.system.spawn import clean_environment, run_command
from orchestrator.system.strays import is_orphan

START_DEADLINE = 30.0
"""Seconds that the runtime may take: for a host that hangs, not for one that is slow."""

_SCRATCH = "exec-"
"""What the name of a scratch folder begins with; the mark follows."""

Streams = tuple[int | None, int | None, int | None]
"""Standard input, output and error; None is /dev/null."""


class ExecFailed(OutsideError):
    """The command was not run. ``code`` is the exit code that tells so: 125, 126 or 127. ``reason``: the last part of
    the message, where the runtime has said it."""

    def __init__(self, message: str, code: int = FAILED, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason or message


def read_process(instance: InstanceState) -> Mapping[str, Any]:
    """``process`` of the container's config.json. Raises ExecFailed."""
    path = f"{instance.folder}/config.json"
    try:
        process: Mapping[str, Any] = json.loads(Path(path).read_bytes())["process"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has no process"
        raise ExecFailed(f"cannot read {path}: {reason}") from error
    return process


@contextlib.contextmanager
def make_scratch(instance: InstanceState, mark: str) -> Iterator[str]:
    """A folder for the runtime's command, private since an environment may hold what is not to be read. What one that
    was killed has left is removed, and what one of this mark had no descriptors left to remove. Raises OSError."""
    parent = instance.folder
    for name in os.listdir(parent):
        if name.startswith(_SCRATCH) and is_orphan(name.removeprefix(_SCRATCH)):
            shutil.rmtree(f"{parent}/{name}", ignore_errors=True)
    folder = f"{parent}/{_SCRATCH}{mark}"
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
    os.mkdir(folder, 0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the container may have ended, and its folder with it


async def begin_command(
    instance: InstanceState,
    process: Mapping[str, Any],
    scratch: str,
    given: Streams,
    *,
    children: Children,
    options: Sequence[str] = (),
    read_said: Callable[[], str] = str,
    deadline: float = START_DEADLINE,
) -> int:
    """Let the runtime begin a command; its pid, as the host counts.

    process: by `orchestrator.core.exec_process`. scratch: by `make_scratch`. given: the command's standard streams, and
    the runtime's. options: further ones of ``exec``. read_said: what was written to ``given``. Raises ExecFailed with
    what the runtime says, OSError.
    """
    if os.path.basename(instance.runtime) == RAILCAR:
        raise ExecFailed(f"cannot run a command in {instance.name}: railcar runs no further command in a container")
    log, pid_file, process_file = f"{scratch}/log", f"{scratch}/pid", f"{scratch}/process.json"
    _write(process_file, json.dumps(process))
    stdin, stdout, stderr = given
    result = await run_command(
        (
            *(instance.runtime, "--root", instance.root, "--log", log, "--log-format", "json"),
            *("exec", "--detach", "--pid-file", pid_file, "--process", process_file, *options, instance.instance),
        ),
        children=children,
        env=clean_environment(os.environ),
        deadline=deadline,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )
    if result.success:
        return int(read_from(pid_file, 0))
    # What it has written to the command's standard error is not shown: it says the same.
    said = find_message(read_from(log, 0)) or clean_message(read_said()) or result.describe()
    reason = said.removeprefix("exec failed: ").removeprefix("unable to start container process: ")
    runtime = os.path.basename(instance.runtime)
    message = f"cannot run a command in {instance.name}: {runtime}: {reason}"
    raise ExecFailed(message, FAILED if result.timed_out else judge_refusal(reason), reason)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
