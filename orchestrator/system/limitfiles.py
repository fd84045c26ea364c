"""Writes limits of a control group of version 1 into its files, for a runtime that cannot change them itself.

What they are is computed by `orchestrator.core.limits`, whether all hold is looked at by `orchestrator.system.update`.
The files: https://docs.kernel.org/admin-guide/cgroup-v1/. Floor: system.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.system.hierarchies import Hierarchy

_FILES = {
    ("memory", "limit"): ("memory", ("memory.limit_in_bytes",)),
    ("memory", "swap"): ("memory", ("memory.memsw.limit_in_bytes",)),
    ("cpu", "period"): ("cpu", ("cpu.cfs_period_us",)),
    ("cpu", "quota"): ("cpu", ("cpu.cfs_quota_us",)),
    ("cpu", "shares"): ("cpu", ("cpu.shares",)),
    ("pids", "limit"): ("pids", ("pids.max",)),
    ("blockIO", "weight"): ("blkio", ("blkio.weight", "blkio.bfq.weight")),
}
"""By the place in ``linux.resources`` (runtime-spec config-linux.md): the controller, and its file by the kernel's
version."""


def write_limits(path: str, rendered: Mapping[str, Any], hierarchies: Iterable[Hierarchy]) -> None:
    """Let the group ``path``, absolute, hold what ``rendered`` says, as `render_limits` has it; the rest of
    ``linux.resources`` is left alone. Stops at the first that the kernel refuses: raises OSError."""
    folders = {name: each.folder(path) for each in hierarchies if each.version == 1 for name in each.controllers}
    wanted = [
        (next((file for file in (folders[controller] / name for name in names) if file.exists()), None), value)
        for (kind, key), (controller, names) in _FILES.items()
        if controller in folders and (value := rendered.get(kind, {}).get(key)) is not None
    ]
    files = [(file, "max" if file.name == "pids.max" and value < 0 else str(value)) for file, value in wanted if file]
    try:
        _write_all(files)
    except OSError:
        # Memory alone may never be above memory and swap together: of the two the one that grows goes first or last.
        _write_all(files[::-1])


def _write_all(files: Iterable[tuple[Path, str]]) -> None:
    for file, text in files:
        with file.open("r+") as stream:  # never one that the kernel has not made
            stream.write(text)
