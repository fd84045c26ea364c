"""What process 1 is, and what it is asked where it is systemd: by systemctl(1). Floor: system."""

import os
import shutil

from orchestrator.ports import OutsideError
from orchestrator.system.reaper import Children
from orchestrator.system.runtime_output import open_scratch, read_from
from orchestrator.system.spawn import CommandResult, clean_environment, run_command

BOOTED = "/run/systemd/system"
"""There is such a folder where systemd is process 1: sd_booted(3)."""
ANSWER_DEADLINE = 5.0
"""Seconds that systemd may take to say how it is."""
STOP_DEADLINE = 10.0
"""Seconds that a scope may take to end in which nothing runs any more."""
_GOING_DOWN = "stopping"


class ManagerFailed(OutsideError):
    """systemd has not done what it was asked for."""


def is_booted() -> bool:
    """Whether process 1 is systemd."""
    return os.path.isdir(BOOTED)


async def is_going_down(children: Children) -> bool:
    """Whether the system is being shut down, rebooted or halted, and not just this service stopped.

    False where process 1 is no systemd, and where it does not answer within ANSWER_DEADLINE.
    """
    if not is_booted():
        return False
    try:
        with open_scratch() as output:
            await _systemctl(("is-system-running",), children, ANSWER_DEADLINE, output)
            # Its exit code only tells "running" from all else.
            return read_from(f"/proc/self/fd/{output}", 0).strip() == _GOING_DOWN
    except OSError:
        return False


async def stop_scope(unit: str, children: Children) -> None:
    """Have systemd forget a scope in which nothing runs any more, failed or not; nothing where there is none.

    Raises ManagerFailed, OSError.
    """
    with open_scratch() as output:
        stopped = await _systemctl(("stop", unit), children, STOP_DEADLINE, output)
        await _systemctl(("reset-failed", unit), children, ANSWER_DEADLINE, output)
        if not stopped.success and stopped.code != NOT_LOADED:
            said = " ".join(read_from(f"/proc/self/fd/{output}", 0).split())
            raise ManagerFailed(f"cannot stop {unit}: {said or stopped.describe()}")


NOT_LOADED = 5
"""The exit code of systemctl(1) for a unit that there is not."""


async def _systemctl(arguments: tuple[str, ...], children: Children, deadline: float, output: int) -> CommandResult:
    """Raises OSError, also where there is no systemctl."""
    command = shutil.which("systemctl")
    if command is None:
        raise FileNotFoundError("systemctl")
    return await run_command(
        (command, "--no-ask-password", *arguments),
        children=children,
        env=clean_environment(os.environ),
        deadline=deadline,
        stdout=output,
        stderr=output,
    )
