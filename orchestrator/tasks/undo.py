"""Ends what an earlier agent has left and that is no name's instance: strays. Floor: tasks.

What goes on is found by `orchestrator.tasks.takeover`.
"""

from collections.abc import Callable, Iterable, Mapping

import trio

from orchestrator.model.layout import Layout
from orchestrator.model.state import InstanceState
from orchestrator.ports import Attacher, Disk, OutsideError, Runtime
from orchestrator.tasks.detaching import undo_attached


async def undo_strays(
    strays: Iterable[str],
    runtime: Runtime,
    disk: Disk,
    layout: Layout,
    find_group: Callable[[str], str],
    attacher: Attacher,
    states: Mapping[str, InstanceState],
    at_a_time: int,
    say: Callable[[str], None],
) -> None:
    """Remove the instances with these ids, ``at_a_time`` side by side. What cannot be removed is told.

    find_group: the control group of an instance. states: of those of which it is known what kinds did for them.
    """
    places = trio.CapacityLimiter(at_a_time)

    async def undo(identity: str) -> None:
        async with places:
            try:
                await runtime.remove(identity, layout.instance(identity), find_group(identity))
                if identity in states:
                    await undo_attached(states[identity], attacher)
                disk.remove_instance(identity)
            except OutsideError as error:
                say(f"cannot end {identity}, left by an earlier agent: {error}")
            else:
                say(f"ended {identity}, left by an earlier agent")

    async with trio.open_nursery() as nursery:
        for identity in strays:
            nursery.start_soon(undo, identity)
