"""Ends what an agent that was killed has left, whole, before the next one begins. Floor: tasks.

What is left is known from three sides, since any of them may be missing: the state files, the runtime's own list and
the folders of instances. Adoption will take the place of most of this; the write order of the state files is made for
it already.
"""

from collections.abc import Callable, Iterable, Mapping

import trio

from orchestrator.model.layout import Layout
from orchestrator.model.state import InstanceState
from orchestrator.ports import Disk, OutsideError, Runtime


async def undo_leftovers(
    states: Iterable[InstanceState],
    strays: Iterable[str],
    runtime: Runtime,
    disk: Disk,
    layout: Layout,
    cgroup_root: str,
    at_a_time: int,
    say: Callable[[str], None],
) -> Mapping[str, str]:
    """Remove every instance that there is anything of. Returns, by id, why what could not be removed was not.

    states: the state files. strays: ids that only a folder tells of. at_a_time: how many are removed side by side.
    """
    known = {state.instance: state.cgroups_path for state in states}
    for identity in (*strays, *await runtime.list_instances()):
        known.setdefault(identity, f"{cgroup_root}/{identity}")
    failures: dict[str, str] = {}
    places = trio.CapacityLimiter(at_a_time)

    async def undo(identity: str, cgroups_path: str) -> None:
        async with places:
            try:
                await runtime.remove(identity, layout.instance(identity), cgroups_path)
                disk.remove_instance(identity)
            except OutsideError as error:
                failures[identity] = str(error)
                say(f"cannot end {identity}, left by an earlier agent: {error}")
            else:
                say(f"ended {identity}, left by an earlier agent")

    async with trio.open_nursery() as nursery:
        for identity, cgroups_path in known.items():
            nursery.start_soon(undo, identity, cgroups_path)
    return failures
