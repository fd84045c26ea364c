"""Limits of control groups: what is asked for, as the kernel holds it and as the runtime is told of it.

Which files there are is found out by `orchestrator.system.controllers`, what they hold now is read by
`orchestrator.system.held`. Floor: core.
"""

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any

import attrs
from attrs import field, frozen

from orchestrator.core.values import format_size
from orchestrator.core.weights import is_of_cpu, weight_in
from orchestrator.model.bundle import HostLimits
from orchestrator.model.problem import Fault
from orchestrator.model.resources import Resources

CPU_PERIOD = 100_000
"""Microseconds over which processor time is counted: the kernel's default."""

MOST_PIDS = 4_194_304
"""PID_MAX_LIMIT of the kernel, which cannot have more processes: as good as no limit, and not told from it."""
MOST_QUOTA = 8192 * CPU_PERIOD
"""The same of processors: CONFIG_NR_CPUS at its largest."""


class Limit(Enum):
    """What is limited together, and the name that people know it by."""

    MEMORY = "memory"
    CPUS = "cpus"
    CPU_WEIGHT = "cpu_weight"
    PIDS = "pids"
    IO_WEIGHT = "io_weight"


@frozen(kw_only=True)
class NoLimit:
    """What a runtime is told where there is to be no limit."""

    cpu_quota: int = -1
    pids: int = -1


@frozen(kw_only=True)
class KernelLimits:
    """The limits of a control group as the kernel holds them; None is no limit, or no such file."""

    memory: int | None = None
    """Bytes."""
    memory_and_swap: int | None = None
    """Bytes."""
    cpu_quota: int | None = None
    """Microseconds in each `CPU_PERIOD`."""
    pids: int | None = None
    weights: Mapping[str, int] = field(factory=dict)
    """By the file that holds it."""

    def of(self, limit: Limit) -> Any:  # noqa: ANN401 - what is comparable with the same of another
        """The part of it that ``limit`` names."""
        match limit:
            case Limit.MEMORY:
                return (self.memory, self.memory_and_swap)
            case Limit.CPUS:
                return self.cpu_quota
            case Limit.PIDS:
                return self.pids
            case Limit.CPU_WEIGHT:
                return {file: value for file, value in self.weights.items() if is_of_cpu(file)}
            case Limit.IO_WEIGHT:
                return {file: value for file, value in self.weights.items() if not is_of_cpu(file)}


def kernel_limits(resources: Resources, host: HostLimits) -> KernelLimits:
    """What the kernel is to hold for these resources."""
    memory = resources.memory
    weights = {file: resources.cpu_weight if is_of_cpu(file) else resources.io_weight for file in host.weight_files}
    return KernelLimits(
        memory=memory,
        # The same for both: nothing is swapped beyond the limit.
        memory_and_swap=(memory and (resources.memory_swap or memory)) if host.limits_swap else None,
        cpu_quota=None if resources.cpus is None else below(round(resources.cpus * CPU_PERIOD), MOST_QUOTA),
        pids=below(resources.pids, MOST_PIDS),
        weights={file: weight_in(file, weight) for file, weight in weights.items()},
    )


def below(limit: int | None, most: int) -> int | None:
    """A limit, or None where it is as good as none."""
    return None if limit is None or limit >= most else limit


def limits_of(resources: Resources) -> frozenset[Limit]:
    """What these resources limit."""
    return frozenset(limit for limit in Limit if getattr(resources, limit.value) is not None)


def render_resources(resources: Resources, host: HostLimits | None = None) -> dict[str, Any]:
    """The part of ``linux.resources`` that is changed live (runtime-spec config-linux.md, "Control groups"), for a new
    group: empty without limits."""
    host = host or HostLimits()
    limits = kernel_limits(resources, host)
    which = [limit for limit in limits_of(resources) if limits.of(limit) is not None]
    return render_limits(limits, which, limits_swap=host.limits_swap)


def render_limits(
    limits: KernelLimits, which: Collection[Limit], *, limits_swap: bool, no_limit: NoLimit | None = None
) -> dict[str, Any]:
    """``which`` of the limits, for a runtime's create or update. Where there is to be none it is told so, by
    ``no_limit``, since 0 or nothing changes nothing.

    Memory goes together with swap, since v1 refuses a limit above that of the two together; but where the kernel cannot
    limit swap, runtimes may refuse to be asked for it.
    """
    no_limit = no_limit or NoLimit()
    rendered: dict[str, dict[str, Any]] = {}
    if Limit.MEMORY in which:
        rendered["memory"] = {"limit": -1 if limits.memory is None else limits.memory}
        if limits_swap:
            rendered["memory"]["swap"] = -1 if limits.memory_and_swap is None else limits.memory_and_swap
    if Limit.CPUS in which:
        quota = no_limit.cpu_quota if limits.cpu_quota is None else limits.cpu_quota
        rendered["cpu"] = {"quota": quota, "period": CPU_PERIOD}
    if Limit.PIDS in which:
        rendered["pids"] = {"limit": no_limit.pids if limits.pids is None else limits.pids}
    for limit in (Limit.CPU_WEIGHT, Limit.IO_WEIGHT):
        for file, value in limits.of(limit).items() if limit in which else ():
            if file == "cpu.shares":
                rendered.setdefault("cpu", {})["shares"] = value
            elif file.startswith("blkio."):
                rendered["blockIO"] = {"weight": value}
            else:
                rendered.setdefault("unified", {})[file] = str(value)
    return rendered


def find_differences(wanted: KernelLimits, held: KernelLimits, page: int) -> tuple[Limit, ...]:
    """Which limits are held otherwise than wanted. ``page``: the kernel keeps memory in whole pages of so many bytes,
    swap by itself on v2, and cuts off what is beyond."""
    return tuple(limit for limit in Limit if not _is_held(limit, wanted, held, page))


def _is_held(limit: Limit, wanted: KernelLimits, held: KernelLimits, page: int) -> bool:
    if limit is Limit.MEMORY:
        return _is_about(wanted.memory, held.memory, page) and _is_about(
            wanted.memory_and_swap, held.memory_and_swap, 2 * page
        )
    return bool(wanted.of(limit) == held.of(limit))


def _is_about(wanted: int | None, held: int | None, tolerance: int) -> bool:
    if wanted is None or held is None:
        return wanted is held
    return wanted - tolerance < held <= wanted


def find_resource_faults(resources: Resources, controllers: Collection[str]) -> tuple[Fault, ...]:
    """What cannot be limited so, or not on a host whose kernel has these ``controllers`` (`HostFacts.controllers`).
    Paths are those of the definition."""
    asked = attrs.asdict(resources, filter=lambda _, value: value is not None)
    faults = [
        Fault(("resources", name), f"cannot limit {what}: {_MISSING[controller][0]}", _MISSING[controller][1])
        for name, (what, controller) in _NEEDS.items()
        if name in asked and controller not in controllers
    ]
    swap, memory = resources.memory_swap, resources.memory
    at = ("resources", "memory_swap")
    if swap is not None and memory is None:
        message = f"{format_size(swap)} for memory and swap needs a limit of memory too"
        faults.append(Fault(at, message, "write memory beside it"))
    elif swap is not None and memory is not None and swap < memory:
        message = f"{format_size(swap)} is below memory, {format_size(memory)}, which is a part of it"
        faults.append(Fault(at, message, f"write {format_size(memory)} or more"))
    return tuple(faults)


_NEEDS = {
    "memory": ("memory", "memory"),
    "memory_swap": ("swap", "swap"),
    "cpus": ("processors", "cpu"),
    "cpu_weight": ("processors", "cpu"),
    "pids": ("processes", "pids"),
    "io_weight": ("the use of disks", "io"),
}
"""What each of the resources limits, and the one of `HostFacts.controllers` that it needs."""

_MISSING = {
    "memory": ("this host has no memory controller", "cgroup_enable=memory on the kernel's command line may help"),
    "swap": ("the kernel of this host does not count it", "swapaccount=1 on its command line may help"),
    "cpu": ("this host has no cpu controller", "it belongs to control groups, see cgroups(7)"),
    "pids": ("this host has no pids controller", "it belongs to control groups, see cgroups(7)"),
    "io": ("control groups have neither io.weight nor a weight of BFQ on this host", "modprobe bfq may help"),
}
"""Why, and a hint."""
