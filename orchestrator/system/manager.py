"""What process 1 is, and whether it is shutting the system down where it is systemd: systemctl(1). Floor: system."""

import os
import shutil

from orchestrator.system.reaper import Children
from orchestrator.system.runtime_output import open_scratch, read_from
from orchestrator.system.spawn import clean_environment, run_command

BOOTED = "/run/systemd/system"
"""There is such a folder where systemd is process 1: sd_booted(3)."""
ANSWER_DEADLINE = 5.0
"""Seconds that systemd may take to say how it is."""
_GOING_DOWN = "stopping"


def is_booted() -> bool:
    """Whether process 1 is systemd."""
    return os.path.isdir(BOOTED)


async def is_going_down(children: Children) -> bool:
    """Whether the system is being shut down, rebooted or halted, and not just this service stopped.

    False where process 1 is no systemd, and where it does not answer within ANSWER_DEADLINE.
    """
    command = shutil.which("systemctl")
    if command is None or not is_booted():
        return False
    try:
        with open_scratch() as output:
            await run_command(
                (command, "--no-ask-password", "is-system-running"),
                children=children,
                env=clean_environment(os.environ),
                deadline=ANSWER_DEADLINE,
                stdout=output,
                stderr=output,
            )
            # Its exit code only tells "running" from all else.
            return read_from(f"/proc/self/fd/{output}", 0).strip() == _GOING_DOWN
    except OSError:
        return False
