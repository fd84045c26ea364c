"""Weights: a share of what is busy, as cgroup v2 counts it (1 to 10000, 100 without one), in the kernel's files.

Only the ratio of two weights means anything, so it is kept wherever the file's range allows it. Of v1 files this module
takes what the kernel itself makes of a weight of v2 (``sched_weight_from_cgroup``): 1024 shares for a weight of 100.

Files of v2 are to be written as they are, by ``linux.resources.unified``, and never by way of v1's ``shares`` and
``blockIO.weight``: how runtimes convert those differs. runc up to 1.3.1 and crun up to 1.22 map the ranges linearly
(1 + (shares - 2) * 9999 / 262142), so that 1024 shares, the default, become 39; later ones take a quadratic function
through both defaults. And 1 + (weight - 10) * 9999 / 990, for disks, has 91 and 102 but no 100. Floor: core.
"""

from attrs import frozen

DEFAULT = 100
"""The weight of a group that has been given none."""


@frozen
class _Range:
    """What a file takes, and how much of it is a weight of 100, which is also what a new group has."""

    lowest: int
    highest: int
    hundred: int = DEFAULT


_RANGES = {
    # https://docs.kernel.org/admin-guide/cgroup-v2.html
    "cpu.weight": _Range(1, 10000),
    "io.weight": _Range(1, 10000),
    # https://docs.kernel.org/block/bfq-iosched.html
    "io.bfq.weight": _Range(1, 1000),
    # https://docs.kernel.org/scheduler/sched-design-CFS.html; MAX_SHARES is 2**18
    "cpu.shares": _Range(2, 262144, 1024),
    # BFQ takes 1 to 1000 here too, but runtime-spec config-linux.md, "Block IO", takes 10 to 1000.
    "blkio.bfq.weight": _Range(10, 1000),
    "blkio.weight": _Range(10, 1000),
}


def weight_in(file: str, weight: int | None) -> int:
    """What ``file`` of a control group is to hold for a weight of 1 to 10000, or for none; cut to its range."""
    span = _RANGES[file]
    exact = (DEFAULT if weight is None else weight) * span.hundred
    return max(span.lowest, min((exact + DEFAULT // 2) // DEFAULT, span.highest))


def is_of_cpu(file: str) -> bool:
    """Whether a file that holds a weight is about processors; else it is about disks."""
    return file.startswith("cpu.")
