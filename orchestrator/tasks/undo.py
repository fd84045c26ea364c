"""Ends what an earlier agent has left and that is no name's instance: strays. Floor: tasks.

What goes on is found by `orchestrator.tasks.takeover`.
"""

from collections.abc import Callable, Iterable, Mapping

import trio

from orchestrator.model.layout import Layout
from orchestrator.model.state import InstanceState
from orchestrator.ports import Attacher, Disk, OutsideError, Runtime
from orchestrator.tasks.detaching import undo_attached

AGAIN_AFTER = 5.0
"""Seconds until what kinds could not undo is tried again."""


async def undo_strays(
    strays: Iterable[str],
    runtime: Runtime,
    disk: Disk,
    layout: Layout,
    find_group: Callable[[str], str],
    states: Mapping[str, InstanceState],
    at_a_time: int,
    say: Callable[[str], None],
) -> tuple[InstanceState, ...]:
    """Remove the instances with these ids, ``at_a_time`` side by side. What cannot be removed is told. Returns those of
    which nothing runs any more and for which kinds did something: that is for `undo_kinds`, since a kind may hang.

    find_group: the control group of an instance. states: of those of which it is known what kinds did for them.
    """
    places = trio.CapacityLimiter(at_a_time)
    attached: list[InstanceState] = []

    async def undo(identity: str) -> None:
        async with places:
            try:
                await runtime.remove(identity, layout.instance(identity), find_group(identity))
                state = states.get(identity)
                if state is not None and any(each.begun for each in state.attached):
                    attached.append(state)
                    return
                disk.remove_instance(identity)
            except OutsideError as error:
                say(f"cannot end {identity}, left by an earlier agent: {error}")
            else:
                say(f"ended {identity}, left by an earlier agent")

    async with trio.open_nursery() as nursery:
        for identity in strays:
            nursery.start_soon(undo, identity)
    return tuple(attached)


async def undo_kinds(
    attached: Iterable[InstanceState], attacher: Attacher, disk: Disk, say: Callable[[str], None]
) -> None:
    """Undo what kinds did for instances that are gone, all side by side, again and again until it is done; who comes
    after them meanwhile is not kept waiting. What cannot be undone is told once."""

    async def undo(state: InstanceState) -> None:
        told = ""
        while True:
            try:
                await undo_attached(state, attacher)
                disk.remove_instance(state.instance)
            except OutsideError as error:
                if str(error) != told:
                    told = str(error)
                    say(f"cannot end {state.instance}, left by an earlier agent: {error}")
                await trio.sleep(AGAIN_AFTER)
            else:
                say(f"ended {state.instance}, left by an earlier agent")
                return

    async with trio.open_nursery() as nursery:
        for state in attached:
            nursery.start_soon(undo, state)
