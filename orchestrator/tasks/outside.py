"""What all supervisions share: the ports, and who is told. Floor: tasks."""

import math
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio
from attrs import frozen

from orchestrator.model.action import Action, Target
from orchestrator.model.bundle import HostLimits
from orchestrator.model.cgroups import InstanceGroups
from orchestrator.model.layout import Layout
from orchestrator.model.state import NameState
from orchestrator.ports import Attacher, DescriptorStore, Disk, Listeners, Networks, NotifySockets, Prober, Runtime
from orchestrator.tasks.order import Order


class Report(Protocol):
    """Who is told of what a supervision does."""

    def expect(self, name: str) -> None:
        """A name has been told something: it is not settled until it has answered by `changed` or `forget`."""
        ...

    def recall(self, state: NameState) -> None:
        """What an earlier agent has told of a name, which stays true until `changed`."""
        ...

    def changed(self, state: NameState, *, settled: bool, ends_by: float = -math.inf) -> None:
        """What a name's state is now, changed or not. ``settled``: nothing is under way for it. ``ends_by``: when what
        is asked to end is killed, by trio's clock."""
        ...

    def told(self, name: str, action: Action, before: Target | None) -> None:
        """A name is about to be told an action of a plan. ``before``: what it was last told to be."""
        ...

    def forget(self, name: str) -> None:
        """The name is gone."""
        ...

    def say(self, text: str) -> None:
        """A line for people, of what no state tells."""
        ...


@frozen(kw_only=True)
class Outside:
    """What every supervision shares: the ports, the places for starts, chance and the wall's clock."""

    runtime: Runtime
    disk: Disk
    attacher: Attacher
    """What plugin kinds do on the host."""
    listeners: Listeners
    layout: Layout
    groups: InstanceGroups
    """Where the control groups of instances are."""
    descriptors: DescriptorStore
    """What is kept for a next agent."""
    networks: Networks
    """The network namespaces of what runs."""
    prober: Prober
    notify_sockets: NotifySockets
    host_limits: HostLimits
    """What the host says of the limits of every instance."""
    starts: trio.CapacityLimiter
    """How many may start at a time."""
    chance: Callable[[], float]
    """A random number in [0, 1)."""
    token: Callable[[], str]
    """A short random text that is never given twice: the end of an instance's id."""
    wall_clock: Callable[[], float]
    """Seconds since the epoch."""
    clock_shift: float
    """What CLOCK_MONOTONIC is ahead of trio's clock, in seconds: what is written down is to mean something to a next
    agent."""
    boot: str
    """The boot id of the kernel (random/boot_id, proc_sys_kernel(5))."""
    report: Report
    order: Order
    trim_log: Callable[[str, int], Awaitable[None]]
    """Keeps the log file at a path within so many bytes until it is cancelled."""
    sweep: Callable[[], None]
    """Remove the stored bundles that no name uses any more."""
