"""Ending all that runs in a control group. Floor: system."""

import trio

from orchestrator.ports import RuntimeFailed
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.leftovers import watch_processes

KILL_DEADLINE = 10.0
"""Seconds that what was killed may take to be gone."""


async def empty_group(cgroups: Cgroups, path: str, init: int | None) -> None:
    """Kill all in the group ``path`` and wait until they are gone. init: a process that, if it is in it, must have
    ended too. Raises RuntimeFailed after KILL_DEADLINE, CgroupUnreadable, CgroupBusy, OSError."""
    pids = cgroups.pids(path)
    if not pids:
        return
    # A group no longer lists a process that has begun to end, but a runtime sees the init until it has ended.
    with watch_processes([init] if init in pids else []) as pidfds:
        cgroups.kill_all(path)
        with trio.move_on_after(KILL_DEADLINE):
            for pidfd in pidfds:
                await trio.lowlevel.wait_readable(pidfd)
            pause = 0.0005
            while cgroups.pids(path):
                await trio.sleep(pause)
                pause = min(pause * 2, 0.05)
            return
    left = " ".join(str(pid) for pid in sorted(cgroups.pids(path))) or str(init)
    raise RuntimeFailed(f"processes do not end {KILL_DEADLINE:g} s after SIGKILL: {left}")
