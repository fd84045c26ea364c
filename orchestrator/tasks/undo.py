"""Ends what an earlier agent has left and no state file tells of by name: strays. Floor: tasks.

What has a state file is left to its name's supervision, see `Reconciler.take_over`.
"""

from collections.abc import Callable, Iterable

import trio

from orchestrator.model.layout import Layout
from orchestrator.model.state import InstanceState, Step
from orchestrator.ports import Disk, OutsideError, Runtime


def newest_by_name(states: Iterable[InstanceState]) -> dict[str, InstanceState]:
    """Of several instances of one name, the one that was made last; the others are strays.

    One that has begun comes before one that was only made ready to follow it.
    """
    newest: dict[str, InstanceState] = {}
    for state in states:
        known = newest.get(state.name)
        if known is None or _rank(state) > _rank(known):
            newest[state.name] = state
    return newest


def _rank(state: InstanceState) -> tuple[bool, float]:
    return state.step is not Step.CREATING, state.created_at


async def undo_strays(
    known: Iterable[InstanceState],
    strays: Iterable[str],
    runtime: Runtime,
    disk: Disk,
    layout: Layout,
    cgroup_root: str,
    at_a_time: int,
    say: Callable[[str], None],
) -> None:
    """Remove every instance that there is anything of, but for the ``known`` ones. What cannot be removed is told.

    strays: ids that only a folder or a damaged file tells of; the runtime is asked for those that it knows. at_a_time:
    how many are removed side by side.
    """
    taken = {state.instance for state in known}
    places = trio.CapacityLimiter(at_a_time)

    async def undo(identity: str) -> None:
        async with places:
            try:
                await runtime.remove(identity, layout.instance(identity), f"{cgroup_root}/{identity}")
                disk.remove_instance(identity)
            except OutsideError as error:
                say(f"cannot end {identity}, left by an earlier agent: {error}")
            else:
                say(f"ended {identity}, left by an earlier agent")

    async with trio.open_nursery() as nursery:
        for identity in sorted({*strays, *await runtime.list_instances()} - taken):
            nursery.start_soon(undo, identity)
