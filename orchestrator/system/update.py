"""Changes the limits of a container that runs: through its runtime, read back from the kernel, all of them or none.

What is to hold is computed by `orchestrator.core.limits`; the runtime's command is the caller's. Floor: system.
"""

import json
import os
from collections.abc import Awaitable, Callable, Collection

from orchestrator.core.limits import (
    MOST_PIDS,
    MOST_QUOTA,
    KernelLimits,
    Limit,
    NoLimit,
    find_differences,
    kernel_limits,
    limits_of,
    render_limits,
)
from orchestrator.model.resources import Resources
from orchestrator.ports import OutsideError
from orchestrator.system.held import read_limits, read_unreclaimable
from orchestrator.system.hierarchies import Hierarchy

Command = Callable[[bytes], Awaitable[None]]
"""The runtime's ``update`` with ``--resources -`` and this standard input. Raises OutsideError or OSError."""


async def update_limits(
    path: str,
    resources: Resources,
    hierarchies: tuple[Hierarchy, ...],
    command: Command,
    no_limit: NoLimit,
) -> None:
    """Let the group ``path`` hold just these resources; only what is to be another is touched.

    no_limit: how the runtime is told that there is to be none, as `choose_no_limit` has it.
    Raises OutsideError or OSError; then what was held before is held again, or the message says what is not.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    before = read_limits(path, hierarchies)
    if missing := limits_of(resources) - before.possible:
        names = " and ".join(sorted(limit.value for limit in missing))
        raise OutsideError(f"the kernel of this host cannot limit {names}")
    wanted = kernel_limits(resources, before.form)
    changes = find_differences(wanted, before.limits, page)
    if Limit.MEMORY in changes:
        _refuse_to_kill(resources.memory, read_unreclaimable(path, hierarchies))

    async def let_hold(limits: KernelLimits, which: Collection[Limit]) -> None:
        rendered = render_limits(limits, which, limits_swap=before.form.limits_swap, no_limit=no_limit)
        await command(json.dumps(rendered).encode())
        now = read_limits(path, hierarchies).limits
        if others := find_differences(limits, now, page):
            raise OutsideError(_describe(limits, now, others))

    if not changes:
        return
    try:
        await let_hold(wanted, changes)
    except (OutsideError, OSError) as error:
        try:
            # A runtime stops at the first that the kernel refuses, and what came before that holds.
            if halves := find_differences(before.limits, read_limits(path, hierarchies).limits, page):
                await let_hold(before.limits, halves)
        except (OutsideError, OSError) as second:
            why = f"{_say(error)}; what held before could not be put back: {_say(second)}"
            raise OutsideError(why) from error
        raise


def choose_no_limit(runtime: str, hierarchies: tuple[Hierarchy, ...]) -> NoLimit:
    """How a runtime of that name takes limits away. crun 1.8 writes what v1 refuses: -1 as a number without a sign to
    cpu.cfs_quota_us, and as it is to pids.max, where it would have to be ``max``."""
    if runtime == "crun" and any(hierarchy.version == 1 for hierarchy in hierarchies):
        return NoLimit(cpu_quota=MOST_QUOTA, pids=MOST_PIDS)
    return NoLimit()


def _refuse_to_kill(limit: int | None, used: int | None) -> None:
    if limit is not None and used is not None and used > limit:
        raise OutsideError(f"a memory limit of {limit} is below what it uses, {used}")


def _describe(wanted: KernelLimits, held: KernelLimits, which: Collection[Limit]) -> str:
    return "the kernel holds " + ", ".join(
        f"{limit.value} {_show(held, limit)} instead of {_show(wanted, limit)}" for limit in which
    )


def _show(limits: KernelLimits, limit: Limit) -> str:
    match limit:
        case Limit.MEMORY:
            return f"{_or_none(limits.memory)} (with swap {_or_none(limits.memory_and_swap)})"
        case Limit.CPUS | Limit.PIDS:
            return _or_none(limits.of(limit))
        case _:
            return " ".join(f"{file}={value}" for file, value in limits.of(limit).items())


def _or_none(value: int | None) -> str:
    return "none" if value is None else str(value)


def _say(error: OutsideError | OSError) -> str:
    return str(error) if isinstance(error, OutsideError) else error.strerror or str(error)
