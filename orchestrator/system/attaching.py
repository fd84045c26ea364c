"""Has plugin kinds do their part on the host, each call in a thread with a deadline: `ports.Attacher`, for real.

What a kind may do is `orchestrator.system.plugin_host`. Floor: system.
"""

import json
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import trio

from orchestrator.core.foreign import describe_error
from orchestrator.model.attached import Attached, PlannedAttachment
from orchestrator.model.host import Container, HostFailed
from orchestrator.model.kinds import folder_name
from orchestrator.model.layout import Layout
from orchestrator.model.registry import Group, Registry, Unusable
from orchestrator.ports import AttachFailed
from orchestrator.system.leftovers import await_marked
from orchestrator.system.plugin_host import PluginHost
from orchestrator.system.reaper import Children
from orchestrator.system.unmount import unmount_below

PATIENCE = 60.0
"""Seconds that a kind has for its part. What has not come back by then is left to itself: a thread cannot be ended."""

AT_A_TIME = 8
"""Calls of one kind beside each other: a kind that hangs keeps none but itself waiting."""

LEFT_AT_MOST = 4
"""Threads of one kind for one container, those that were left to themselves among them: then it has to wait for one to
come back."""

K = TypeVar("K")
T = TypeVar("T")


class HostAttacher:
    """Implements `orchestrator.ports.Attacher` on this host."""

    def __init__(self, layout: Layout, children: Children, registry: Callable[[], Registry]) -> None:
        """registry: the kinds that there are now."""
        self._layout = layout
        self._children = children
        self._registry = registry
        self._places: dict[type[Any], trio.CapacityLimiter] = {}
        self._threads: dict[tuple[type[Any], str], trio.CapacityLimiter] = {}
        self._locks: dict[str, threading.Lock] = {}

    async def attach(self, plan: PlannedAttachment, name: str, instance: str, pid: int | None) -> dict[str, Any] | None:
        """See `orchestrator.ports.Attacher`."""
        kind = self._find(plan)
        if kind is None or isinstance(kind, Unusable):
            why = "there is no such kind any more" if kind is None else kind.reason
            raise AttachFailed(f"cannot {plan.stage.value} {_describe(plan)}: {why}")
        container = describe_container(self._layout, plan, name, instance, pid)

        def attach(host: PluginHost) -> dict[str, Any] | None:
            state: Any = kind.attach(plan.work, container, host)
            return None if state is None else _check_state(state)

        return await self._call(f"cannot {plan.stage.value} {_describe(plan)}", kind, container, attach)

    async def detach(self, attached: Attached, name: str, instance: str) -> None:
        """See `orchestrator.ports.Attacher`. Of a kind that is not there any more nobody knows how: only what is
        mounted in the folders of the instance is taken away, which would keep these from being removed for ever. One
        that is there and has a mistake is waited for: what it did would stay on the host else."""
        plan = attached.plan
        kind = self._find(plan)
        if isinstance(kind, Unusable):
            raise AttachFailed(f"cannot undo {_describe(plan)}: {kind.reason}")
        container = describe_container(self._layout, plan, name, instance, None)
        if kind is None:
            try:
                for folder in (container.own, container.scratch):
                    unmount_below(folder)
            except OSError as error:
                raise AttachFailed(f"cannot undo {_describe(plan)}: {error.strerror} ({error.filename})") from error
            return

        if not attached.done:
            # An agent that was killed may have left a program at work: what that does yet is to be undone, too.
            try:
                await await_marked(instance)
            except OSError as error:
                raise AttachFailed(f"cannot undo {_describe(plan)}: {error.strerror} ({error.filename})") from error

        def detach(host: PluginHost) -> None:
            kind.detach(plan.work, attached.state, container, host)

        await self._call(f"cannot undo {_describe(plan)}", kind, container, detach)

    def _find(self, plan: PlannedAttachment) -> Any:  # noqa: ANN401 - a kind's class, Unusable or None
        group = next((group for group in Group if group.value == plan.group), None)
        return None if group is None else self._registry().find(group, plan.type)  # no other is loaded for that

    async def _call(self, what: str, kind: type[Any], container: Container, work: Callable[[PluginHost], T]) -> T:
        host = PluginHost(self._children, self._locks, self._layout.named_lock, container.instance)

        def call() -> T:
            try:
                return work(host)
            except HostFailed as error:
                raise AttachFailed(f"{what}: {error}") from error
            except BaseException as error:  # SystemExit, too: to end the agent is none of a kind's business
                raise AttachFailed(f"{what}: the plugin failed: {describe_error(error, kind)}") from error

        places = self._places.setdefault(kind, trio.CapacityLimiter(AT_A_TIME))
        try:
            async with places:  # given up with the call, where a thread keeps its own until it comes back
                threads = self._threads.setdefault((kind, container.name), trio.CapacityLimiter(LEFT_AT_MOST))
                with trio.CancelScope(shield=True):
                    with trio.move_on_after(PATIENCE):
                        return await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=threads)
                    host.give_up()
        finally:
            _forget_free(self._places, kind)
            _forget_free(self._threads, (kind, container.name))
        raise AttachFailed(f"{what}: it took longer than {PATIENCE:g} s")


def describe_container(layout: Layout, plan: PlannedAttachment, name: str, instance: str, pid: int | None) -> Container:
    """An instance, as the kind of an attachment is told of it."""
    folder = folder_name(plan.key)
    return Container(
        name=name,
        instance=instance,
        own=f"{layout.own(instance)}/{folder}",
        scratch=f"{layout.scratch(instance)}/{folder}",
        shared=layout.shared,
        kept=layout.kept,
        pid=pid,
    )


def _forget_free(limiters: dict[K, trio.CapacityLimiter], key: K) -> None:
    """Keep none that nobody uses: containers and kinds come and go for months."""
    limiter = limiters.get(key)
    if limiter is not None and not limiter.borrowed_tokens and not limiter.statistics().tasks_waiting:
        del limiters[key]


def _describe(plan: PlannedAttachment) -> str:
    if plan.group == Group.NETWORKS.value:
        return f"the network ({plan.type})"
    return f"the mount {plan.key} ({plan.type})"


def _check_state(state: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a plugin returns
    """What can be written down. Raises TypeError, ValueError."""
    if not isinstance(state, dict):
        raise TypeError(f"attach returned {type(state).__name__}, not a dict or None")
    plain: dict[str, Any] = json.loads(json.dumps(state, allow_nan=False))
    return plain
