"""What the control groups of this host can limit: their controllers, and the files that hold weights. Floor: system."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from orchestrator.model.bundle import HostLimits
from orchestrator.system.hierarchies import Hierarchy, find_controller, reading

_WEIGHTS_OF_V1 = {"cpu": ("cpu.shares",), "blkio": ("blkio.weight", "blkio.bfq.weight")}
_WEIGHTS_OF_V2 = {"cpu": ("cpu.weight",), "io": ("io.weight", "io.bfq.weight")}
_SIGN_OF_WEIGHT = {"io.weight": "io.cost.qos", "blkio.bfq.weight": "blkio.bfq.io_serviced"}
"""What the root of a hierarchy has where its other groups have the weight, which it has not itself."""


def limiting_hierarchies(hierarchies: Iterable[Hierarchy]) -> tuple[Hierarchy, ...]:
    """Those that a runtime limits by: where both versions are mounted, it leaves the controllers of v2 alone."""
    every = tuple(hierarchies)
    return tuple(hierarchy for hierarchy in every if hierarchy.version == 1) or every


def find_controllers(hierarchies: Iterable[Hierarchy]) -> frozenset[str]:
    """What can be limited, as `orchestrator.model.facts.HostFacts` has it. Raises CgroupUnreadable."""
    limiting = limiting_hierarchies(hierarchies)
    found = {name for name in ("memory", "cpu", "pids") if find_controller(limiting, name) is not None}
    host = find_host_limits(limiting)
    if host.limits_swap:
        found.add("swap")
    if any("io." in file for file in host.weight_files):
        found.add("io")
    return frozenset(found)


def find_host_limits(hierarchies: Iterable[Hierarchy]) -> HostLimits:
    """What a new group will be able to limit beside the plain limits. Raises CgroupUnreadable."""
    limiting = limiting_hierarchies(hierarchies)
    return HostLimits(limits_swap=_limits_swap(limiting), weight_files=tuple(_find_weight_files(limiting)))


def _limits_swap(limiting: tuple[Hierarchy, ...]) -> bool:
    """Not on a kernel without CONFIG_MEMCG_SWAP or with ``swapaccount=0``."""
    hierarchy = find_controller(limiting, "memory")
    if hierarchy is None:
        return False
    root = Path(hierarchy.mount_point)
    with reading(f"cgroup {root}"):
        if hierarchy.version == 1:
            return (root / "memory.memsw.limit_in_bytes").exists()
        # The root of v2 has no limits itself, so another group tells; without one the usual is assumed.
        limited = next((group for group in _groups(root) if (group / "memory.max").exists()), None)
        return limited is None or (limited / "memory.swap.max").exists()


def _find_weight_files(limiting: tuple[Hierarchy, ...]) -> Iterator[str]:
    for controller, files in (_WEIGHTS_OF_V2 if limiting and limiting[0].version == 2 else _WEIGHTS_OF_V1).items():
        hierarchy = find_controller(limiting, controller)
        if hierarchy is None:
            continue
        root = Path(hierarchy.mount_point)
        with reading(f"cgroup {root}"):
            for file in files:
                signs = (root / _SIGN_OF_WEIGHT.get(file, file), *(group / file for group in _groups(root)))
                if controller == "cpu" or any(sign.exists() for sign in signs):
                    yield file


def _groups(root: Path) -> Iterator[Path]:
    """The root of a hierarchy, and the groups right below it."""
    yield root
    yield from (file.parent for file in root.glob("*/cgroup.procs"))
