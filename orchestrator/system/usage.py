"""What a container uses now, as its control groups count it: for people who ask, with or without an agent.

Its limits are `orchestrator.system.held`'s. Without trio, so that commands that only read are quick. Floor: system.
"""

from orchestrator.model.usage import Usage
from orchestrator.system.hierarchies import (
    Hierarchy,
    find_controller,
    read_field,
    read_hierarchies,
    read_number,
    reading,
)


def read_usage(cgroups_path: str, hierarchies: tuple[Hierarchy, ...] | None = None) -> Usage:
    """What the instance with this ``linux.cgroupsPath``, absolute, uses now; nothing of a group that is not there.

    hierarchies: those of this process's mount namespace unless given. Raises CgroupUnreadable.
    """
    every = read_hierarchies() if hierarchies is None else hierarchies
    with reading(f"what cgroup {cgroups_path} uses"):
        memory, limit = _read_memory(cgroups_path, every)
        pids = find_controller(every, "pids")
        return Usage(
            memory=memory,
            memory_limit=limit,
            pids=None if pids is None else read_number(pids.folder(cgroups_path) / "pids.current"),
            cpu_seconds=_read_cpu_seconds(cgroups_path, every),
        )


def _read_memory(path: str, hierarchies: tuple[Hierarchy, ...]) -> tuple[int | None, int | None]:
    hierarchy = find_controller(hierarchies, "memory")
    if hierarchy is None:
        return None, None
    folder = hierarchy.folder(path)
    if hierarchy.version == 1:
        return read_number(folder / "memory.usage_in_bytes"), read_number(folder / "memory.limit_in_bytes")
    return read_number(folder / "memory.current"), read_number(folder / "memory.max")


def _read_cpu_seconds(path: str, hierarchies: tuple[Hierarchy, ...]) -> float | None:
    """cpuacct.usage of v1 is in nanoseconds. v2 counts in every group, without a controller for it."""
    for hierarchy in hierarchies:
        if "cpuacct" in hierarchy.controllers:
            nanoseconds = read_number(hierarchy.folder(path) / "cpuacct.usage")
            return None if nanoseconds is None else nanoseconds / 1e9
    for hierarchy in hierarchies:
        if hierarchy.version == 2:
            microseconds = read_field(hierarchy.folder(path) / "cpu.stat", "usage_usec")
            return None if microseconds is None else microseconds / 1e6
    return None
