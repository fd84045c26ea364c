"""Limits that the kernel keeps, by control groups. Floor: model."""

from attrs import frozen

from orchestrator.model.option import Change, option
from orchestrator.model.types import Size


@frozen(kw_only=True)
class Resources:
    """Limits that the kernel keeps; a runtime changes them while the container runs. None: no limit."""

    memory: Size | None = option(
        default=None,
        doc="The most memory that the container may use. Beyond it the kernel kills in it.",
        change=Change.UPDATE,
        minimum=6 * 1024 * 1024,
        example='"256M"',
    )
    memory_swap: Size | None = option(
        default=None,
        doc="The most memory and swap together, so at least `memory`, which it needs. Default: `memory`, so no swap.",
        change=Change.UPDATE,
        minimum=6 * 1024 * 1024,
        example='"512M"',
    )
    cpus: float | None = option(
        default=None,
        doc="How many processors it may use at most, in parts if need be.",
        change=Change.UPDATE,
        minimum=0.01,
        maximum=8192.0,
        example="1.5",
    )
    cpu_weight: int | None = option(
        default=None,
        doc="Its share of the processors when they are all busy; 100 is what a container without one has.",
        change=Change.UPDATE,
        minimum=1,
        maximum=10000,
        example="200",
    )
    pids: int | None = option(
        default=None,
        doc="The most processes and threads.",
        change=Change.UPDATE,
        minimum=1,
        maximum=4194304,
        example="256",
    )
    io_weight: int | None = option(
        default=None,
        doc="Its share of busy disks; 100 is what a container without one has. Needs io.cost, or BFQ, where the "
        "largest is 1000.",
        change=Change.UPDATE,
        minimum=1,
        maximum=10000,
        example="50",
    )
