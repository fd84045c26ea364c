"""What process 1 is, and what it is asked and told where it is systemd: systemctl(1). Floor: system."""

import errno
import os
import shutil
from collections.abc import Mapping

from orchestrator.model.cgroups import CgroupDriver
from orchestrator.ports import OutsideError
from orchestrator.system.reaper import Children
from orchestrator.system.runtime_output import clean_message, open_scratch, read_from
from orchestrator.system.spawn import CommandResult, clean_environment, run_command

BOOTED = "/run/systemd/system"
"""There is such a folder where systemd is process 1: sd_booted(3)."""
ANSWER_DEADLINE = 5.0
"""Seconds that systemd may take to say how it is."""
STOP_DEADLINE = 10.0
"""Seconds that it may take to be done with a scope in which nothing runs any more."""
_OF_STORE = "FileDescriptorStoreMax,FileDescriptorStorePreserve,KillMode"
_GOING_DOWN = "stopping"
_NOT_LOADED = 5
"""The exit code of systemctl(1) for a unit that there is not."""


class ManagerFailed(OutsideError):
    """systemd has not done what it was told."""


def is_booted() -> bool:
    """Whether process 1 is systemd."""
    return os.path.isdir(BOOTED)


def list_drivers() -> tuple[CgroupDriver, ...]:
    """Who may make control groups here, the one to be preferred first: systemd, for root, where it is process 1."""
    if is_booted() and os.geteuid() == 0:
        return CgroupDriver.SYSTEMD, CgroupDriver.CGROUPFS
    return (CgroupDriver.CGROUPFS,)


async def is_going_down(children: Children) -> bool:
    """Whether the system is being shut down, rebooted or halted, and not just this service stopped.

    False where process 1 is no systemd, and where it does not answer within ANSWER_DEADLINE.
    """
    if not is_booted():
        return False
    try:
        _, said = await _systemctl(("is-system-running",), children, ANSWER_DEADLINE)
    except OSError:
        return False
    # Its exit code only tells "running" from all else.
    return said == _GOING_DOWN


async def keeps_descriptors(children: Children, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether descriptors are better kept by systemd for the next process of this service than by a process that this
    one leaves: see `is_good_store`. Others that set $NOTIFY_SOCKET keep none.

    Where systemd does not answer within ANSWER_DEADLINE, one that says so in $FDSTORE (version 254) keeps them.
    """
    unit = find_service(_read_own_group())
    if unit is None or not is_booted():
        return False
    try:
        result, said = await _systemctl(("show", f"--property={_OF_STORE}", unit), children, ANSWER_DEADLINE)
    except OSError:
        result = None
    if result is None or not result.success:
        return _is_positive(environ.get("FDSTORE", ""))
    return is_good_store(dict(each.partition("=")[::2] for each in said.split()))


def is_good_store(properties: Mapping[str, str]) -> bool:
    """Whether the descriptor store of a service outlives more than a process of it that is left behind does, by the
    properties of the service (systemd.service(5), systemd.kill(5)).

    A store that is preserved outlives all; before version 254 none is, and goes with a stop of the service. Such a
    process outlives that, too, but only where the kill is not for the whole control group.
    """
    if not _is_positive(properties.get("FileDescriptorStoreMax", "")):
        return False
    preserved = properties.get("FileDescriptorStorePreserve") == "yes"
    return preserved or properties.get("KillMode") not in ("process", "none")


def _is_positive(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) > 0


def find_service(membership: str) -> str | None:
    """The service of systemd that a process belongs to, by its /proc/PID/cgroup (cgroups(7)); it may be in a group
    below the service's."""
    for line in membership.splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers in ("", "name=systemd"):
            for part in reversed(path.split("/")):
                if part.endswith(".service"):
                    return part
    return None


def _read_own_group() -> str:
    try:
        with open("/proc/self/cgroup") as file:
            return file.read()
    except OSError:
        return ""


async def stop_scope(unit: str, children: Children) -> None:
    """Have systemd be done with a scope in which nothing runs any more; nothing where there is none, or no systemd.
    Raises ManagerFailed, OSError."""
    if not is_booted():
        return
    result, said = await _systemctl(("stop", unit), children, STOP_DEADLINE)
    if not result.success and result.code != _NOT_LOADED:
        raise ManagerFailed(f"cannot stop {unit}: {said or result.describe()}")


async def _systemctl(arguments: tuple[str, ...], children: Children, deadline: float) -> tuple[CommandResult, str]:
    """How it ended, and what it said, on one line. Raises OSError, also where there is none."""
    command = shutil.which("systemctl")
    if command is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "systemctl")
    with open_scratch() as output:
        result = await run_command(
            (command, "--no-ask-password", *arguments),
            children=children,
            env=clean_environment(os.environ),
            deadline=deadline,
            stdout=output,
            stderr=output,
        )
        return result, clean_message(read_from(f"/proc/self/fd/{output}", 0))
