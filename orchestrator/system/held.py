"""The limits that a control group holds now, as its files say. Floor: system.

What they should be is computed by `orchestrator.core.limits`. The files: the kernel's documentation of control groups,
https://docs.kernel.org/admin-guide/cgroup-v1/ and https://docs.kernel.org/admin-guide/cgroup-v2.html.
"""

import errno
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from orchestrator.core.limits import CPU_PERIOD, MOST_PIDS, MOST_QUOTA, KernelLimits, Limit, below
from orchestrator.model.bundle import HostLimits
from orchestrator.system.controllers import limiting_hierarchies
from orchestrator.system.hierarchies import (
    CgroupUnreadable,
    Hierarchy,
    find_controller,
    read_field,
    read_number,
    read_words,
    reading,
)

_FILES = {
    "memory.limit_in_bytes": Limit.MEMORY,
    "memory.memsw.limit_in_bytes": Limit.MEMORY,
    "memory.max": Limit.MEMORY,
    "memory.swap.max": Limit.MEMORY,
    "cpu.cfs_quota_us": Limit.CPUS,
    "cpu.max": Limit.CPUS,
    "pids.max": Limit.PIDS,
    "cpu.shares": Limit.CPU_WEIGHT,
    "cpu.weight": Limit.CPU_WEIGHT,
    "blkio.weight": Limit.IO_WEIGHT,
    "blkio.bfq.weight": Limit.IO_WEIGHT,
    "io.weight": Limit.IO_WEIGHT,
    "io.bfq.weight": Limit.IO_WEIGHT,
}
_SWAP = ("memory.memsw.limit_in_bytes", "memory.swap.max")
_WEIGHTS = (Limit.CPU_WEIGHT, Limit.IO_WEIGHT)


@frozen
class HeldLimits:
    """The limits of one group, which of them it can have at all, and in what form."""

    limits: KernelLimits
    possible: frozenset[Limit]
    form: HostLimits


def read_limits(path: str, hierarchies: tuple[Hierarchy, ...]) -> HeldLimits:
    """What the group ``path``, absolute, holds. Raises CgroupUnreadable, also where there is no such group."""
    limiting = limiting_hierarchies(hierarchies)
    with reading(f"the limits of cgroup {path}"):
        if not any(hierarchy.folder(path).is_dir() for hierarchy in limiting):
            raise CgroupUnreadable(f"cannot read the limits of cgroup {path}: there is no such group")
        found = (find_controller(limiting, name) for name in ("memory", "cpu", "pids", "blkio", "io"))
        folders = tuple(hierarchy.folder(path) for hierarchy in dict.fromkeys(found) if hierarchy is not None)
        files = {name: folder / name for folder in folders for name in _FILES if (folder / name).exists()}
        memory, memory_and_swap = _read_memory(files)
        weights = {name: _read_weight(file) for name, file in files.items() if _FILES[name] in _WEIGHTS}
        return HeldLimits(
            KernelLimits(
                memory=memory,
                memory_and_swap=memory_and_swap,
                cpu_quota=_read_quota(files),
                pids=_read_pids(files),
                weights=weights,
            ),
            frozenset(_FILES[name] for name in files),
            HostLimits(limits_swap=not files.keys().isdisjoint(_SWAP), weight_files=tuple(weights)),
        )


def read_unreclaimable(path: str, hierarchies: tuple[Hierarchy, ...]) -> int | None:
    """Bytes of memory that the group uses and that cannot be had back by dropping page cache; None where it cannot be
    told. v2 only: there a limit below this makes the kernel kill, where v1 refuses the limit. Raises CgroupUnreadable.
    """
    hierarchy = find_controller(limiting_hierarchies(hierarchies), "memory")
    if hierarchy is None or hierarchy.version == 1:
        return None
    folder = hierarchy.folder(path)
    with reading(f"the memory of cgroup {path}"):
        used = read_number(folder / "memory.current")
        if used is None:
            return None
        return used - sum(read_field(folder / "memory.stat", name) or 0 for name in ("active_file", "inactive_file"))


def _read_memory(files: Mapping[str, Path]) -> tuple[int | None, int | None]:
    """The limit of memory, and of memory and swap together: v2 limits swap by itself."""
    held = {name: read_number(files[name]) for name in ("memory.limit_in_bytes", "memory.max", *_SWAP) if name in files}
    if "memory.limit_in_bytes" in held:
        return held["memory.limit_in_bytes"], held.get("memory.memsw.limit_in_bytes")
    memory, swap = held.get("memory.max"), held.get("memory.swap.max")
    return memory, None if memory is None or swap is None else memory + swap


def _read_quota(files: Mapping[str, Path]) -> int | None:
    """Microseconds in each CPU_PERIOD. v2 has quota and period in one file, ``50000 100000`` or ``max 100000``."""
    if "cpu.cfs_quota_us" in files:
        quota = read_number(files["cpu.cfs_quota_us"])
        period = read_number(files["cpu.cfs_quota_us"].with_name("cpu.cfs_period_us")) or CPU_PERIOD
    elif "cpu.max" in files:
        first, *rest = _read_all(files["cpu.max"])
        quota = None if first == "max" else int(first)
        period = int(rest[0])
    else:
        return None
    return None if quota is None else below(quota * CPU_PERIOD // period, MOST_QUOTA)


def _read_pids(files: Mapping[str, Path]) -> int | None:
    return below(read_number(files["pids.max"]), MOST_PIDS) if "pids.max" in files else None


def _read_weight(file: Path) -> int:
    """A weight as ``100``, or as ``default 100`` before those of single devices."""
    words = _read_all(file)
    return int(words[words[0] == "default"])


def _read_all(file: Path) -> list[str]:
    """The words of a file that was there. Raises OSError where it is not any more: what was updated has ended, and its
    group was removed, since it was looked for."""
    words = read_words(file)
    if not words:
        raise FileNotFoundError(errno.ENOENT, "it was removed meanwhile", str(file))
    return words
