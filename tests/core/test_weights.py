"""Weights: every file's range is kept, a larger weight is never a smaller share, and the default is the kernel's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.weights import is_of_cpu, weight_in

RANGES = {
    "cpu.weight": (1, 10000, 100),
    "io.weight": (1, 10000, 100),
    "io.bfq.weight": (1, 1000, 100),
    "cpu.shares": (2, 262144, 1024),
    "blkio.bfq.weight": (10, 1000, 100),
    "blkio.weight": (10, 1000, 100),
}
weights = st.integers(1, 10000)
files = st.sampled_from(sorted(RANGES))


@given(files, weights, weights)
def test_a_weight_is_in_range_and_keeps_the_order(file: str, one: int, other: int) -> None:
    low, high, _ = RANGES[file]
    small, large = sorted((one, other))
    assert low <= weight_in(file, small) <= weight_in(file, large) <= high


@pytest.mark.parametrize("file", RANGES)
def test_none_and_100_are_what_a_new_group_has(file: str) -> None:
    assert weight_in(file, None) == weight_in(file, 100) == RANGES[file][2]


@given(weights)
def test_shares_are_what_the_kernel_makes_of_a_weight_and_lead_back_to_it(weight: int) -> None:
    shares = weight_in("cpu.shares", weight)
    assert abs(shares - weight * 10.24) <= 0.5
    # sched_weight_to_cgroup, kernel/sched/core.c
    assert (shares * 100 + 512) // 1024 == weight


@given(weights)
def test_files_of_version_2_hold_the_weight_itself(weight: int) -> None:
    assert weight_in("cpu.weight", weight) == weight_in("io.weight", weight) == weight
    assert weight_in("io.bfq.weight", weight) == min(weight, 1000)


def test_which_files_are_about_processors() -> None:
    assert [file for file in RANGES if is_of_cpu(file)] == ["cpu.weight", "cpu.shares"]
