"""A replacement that overlaps: the new instance is started on the same listening sockets while the old one runs, and
takes its place once it is ready; then the old one may finish what it has begun.

What comes of it is told to the supervision, which alone says whose the name is. Floor: tasks.
"""

from collections.abc import Callable

import trio

from orchestrator.core.lifecycle import KILL_AGAIN_AFTER
from orchestrator.model.action import Target
from orchestrator.model.contribution import Stage
from orchestrator.model.policy import Ready
from orchestrator.model.state import InstanceState, Step
from orchestrator.ports import OutsideError, Process
from orchestrator.tasks.instance import LiveInstance
from orchestrator.tasks.messages import HandedOver, HandOverFailed, Message, Noted
from orchestrator.tasks.outside import Outside
from orchestrator.tasks.watched import Watched

REMOVE_AGAIN_AFTER = 5.0
"""Seconds until what could not be removed is tried again."""


def may_overlap(old: LiveInstance | None, target: Target) -> bool:
    """Whether an instance of ``target`` may run beside the one that there is: they have listening sockets, and nothing
    that only one of them can have."""
    if old is None or not old.state.overlaps or target.policy.exclusive or not target.bundle.sockets:
        return False
    plans = (*target.bundle.attachments, *(each.plan for each in old.state.attached))
    return all(each.stage is not Stage.CONNECT for each in plans)


class HandOver:
    """Those of one name, one after the other: at most one instance that is to take over, and those that finish what
    they have begun."""

    def __init__(self, name: str, outside: Outside, tell: Callable[[Message], None]) -> None:
        """tell: the supervision, of `HandedOver` and `HandOverFailed`; and of all that comes of who has taken over."""
        self._name = name
        self._outside = outside
        self._tell = tell
        self._scope: trio.CancelScope | None = None
        self._successor: Watched | None = None
        """One that is ready, and was not taken yet."""
        self._others: set[LiveInstance] = set()
        """All that there is beside the name's own."""
        self._hurried = trio.Event()

    @property
    def leaves(self) -> bool:
        """Whether there is an instance beside the name's own."""
        return bool(self._others)

    @property
    def bundles(self) -> frozenset[str]:
        """The digests of the bundles that these instances need on disk."""
        return frozenset(each.state.bundle for each in self._others)

    def begin(self, target: Target, nursery: trio.Nursery) -> None:
        """Let a new instance take over, instead of any that was to."""
        self.cancel(nursery)
        self._scope = trio.CancelScope()
        nursery.start_soon(self._run, target, self._scope, nursery)

    def cancel(self, nursery: trio.Nursery) -> None:
        """None is to take over any more. What was begun ends in its own time."""
        if self._scope is not None:
            self._scope.cancel()
        if self._successor is not None:
            nursery.start_soon(self._drain, self._successor)
        self._scope = self._successor = None

    def take(self, ready: Watched) -> bool:
        """Take one that is ready as the name's own; whether it is to be so still."""
        if self._successor is not ready:
            return False
        self._scope = self._successor = None
        self._others.discard(ready.live)
        ready.own()
        return True

    def drain(self, old: Watched, nursery: trio.Nursery) -> None:
        """Ask one that was the name's own to end, and remove it when it has."""
        old.disown()
        self._others.add(old.live)
        nursery.start_soon(self._drain, old)

    def adopt(self, state: InstanceState, process: Process, nursery: trio.Nursery) -> None:
        """Go on with one that an earlier agent has left beside the name's own: it is asked to end, or was."""
        watched = Watched(LiveInstance(None, state, self._outside, process), self._tell, owned=False)
        self._others.add(watched.live)
        nursery.start_soon(watched.run)
        nursery.start_soon(self._drain, watched)

    def hurry(self) -> None:
        """Whatever is asked to end is killed without waiting for its time."""
        self._hurried.set()

    async def _run(self, target: Target, scope: trio.CancelScope, nursery: trio.Nursery) -> None:
        live = LiveInstance.from_target(self._name, target, 0, self._outside)
        self._others.add(live)
        watched: Watched | None = None
        why = ""
        with scope:
            try:
                async with self._outside.starts:
                    live.build()
                    await live.create()
                    await live.start()
            except OutsideError as error:
                why = str(error)
            else:
                watched = Watched(live, self._tell, owned=False)
                nursery.start_soon(watched.run)
                why = await self._await_ready(watched, target)
        if watched is None:
            await self._remove(live)
            self._note_failure(why, scope)
        elif why or scope.cancel_called:
            self._note_failure(why, scope)
            await self._drain(watched)
        else:
            self._successor = watched
            self._tell(HandedOver(watched, target))

    async def _await_ready(self, watched: Watched, target: Target) -> str:
        """Why it will not be ready in time, or an empty text once it is."""
        if target.policy.ready is Ready.STARTED:
            watched.note_ready()
        with trio.move_on_after(target.policy.start_timeout):
            await watched.decided.wait()
        slow = f"it was not ready {target.policy.start_timeout:g} s after its start"
        return "" if watched.ready else watched.trouble or slow

    def _note_failure(self, why: str, scope: trio.CancelScope) -> None:
        if self._scope is scope:
            self._scope = None
            self._tell(HandOverFailed(why))

    async def _drain(self, watched: Watched) -> None:
        live = watched.live
        if not watched.ended.is_set():
            if live.state.step is not Step.STOPPING:
                live.ask_to_end()
            with trio.move_on_after(live.state.policy.stop.timeout):
                await self._wait_end_or_hurry(watched)
        while not watched.ended.is_set():
            live.kill()
            with trio.move_on_after(KILL_AGAIN_AFTER):
                await watched.ended.wait()
        await self._remove(live)

    async def _wait_end_or_hurry(self, watched: Watched) -> None:
        async with trio.open_nursery() as nursery:

            async def wait(event: trio.Event) -> None:
                await event.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait, watched.ended)
            nursery.start_soon(wait, self._hurried)

    async def _remove(self, live: LiveInstance) -> None:
        """Again and again until nothing of it is left."""
        told = ""
        while True:
            try:
                await live.remove()
                break
            except OutsideError as error:
                if str(error) != told:
                    told = str(error)
                    self._outside.report.say(f"{self._name}: {error}")
                await trio.sleep(REMOVE_AGAIN_AFTER)
        self._others.discard(live)
        self._outside.sweep()  # it may have been the last with its bundle
        self._tell(Noted())
