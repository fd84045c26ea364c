"""Resources become what the kernel is to hold and what a runtime is told; and the faults of resources."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.limits import (
    CPU_PERIOD,
    MOST_PIDS,
    MOST_QUOTA,
    KernelLimits,
    Limit,
    NoLimit,
    find_differences,
    find_resource_faults,
    kernel_limits,
    limits_of,
    render_limits,
    render_resources,
)
from orchestrator.core.questions import ask_questions
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.bundle import HostLimits
from orchestrator.model.resources import Resources
from orchestrator.model.types import Size
from tests.core.helpers_world import HOST, answer, host_definition

PAGE = 4096
MEBIBYTE = 1024 * 1024
ALL = frozenset({"memory", "swap", "cpu", "pids", "io"})
V1 = HostLimits(weight_files=("cpu.shares", "blkio.bfq.weight"))
V2 = HostLimits(weight_files=("cpu.weight", "io.weight", "io.bfq.weight"))
EVERY = Resources(
    memory=Size(64 * MEBIBYTE), memory_swap=Size(96 * MEBIBYTE), cpus=1.5, cpu_weight=200, pids=64, io_weight=3000
)

sizes = st.none() | st.integers(6 * MEBIBYTE, 2**40).map(Size)
resources = st.builds(
    Resources,
    memory=sizes,
    cpus=st.none() | st.floats(0.01, 8192.0),
    cpu_weight=st.none() | st.integers(1, 10000),
    pids=st.none() | st.integers(1, MOST_PIDS),
    io_weight=st.none() | st.integers(1, 10000),
)


def test_every_limit_in_the_form_of_version_1() -> None:
    assert render_resources(EVERY, V1) == {
        "memory": {"limit": 64 * MEBIBYTE, "swap": 96 * MEBIBYTE},
        "cpu": {"quota": 150000, "period": 100000, "shares": 2048},
        "pids": {"limit": 64},
        "blockIO": {"weight": 1000},
    }


def test_every_limit_in_the_form_of_version_2() -> None:
    assert render_resources(EVERY, V2) == {
        "memory": {"limit": 64 * MEBIBYTE, "swap": 96 * MEBIBYTE},
        "cpu": {"quota": 150000, "period": 100000},
        "pids": {"limit": 64},
        "unified": {"cpu.weight": "200", "io.weight": "3000", "io.bfq.weight": "1000"},
    }


def test_a_new_group_is_told_of_no_limit_that_it_has_not() -> None:
    assert render_resources(Resources()) == {}
    assert render_resources(Resources(pids=5)) == {"pids": {"limit": 5}}
    assert render_resources(Resources(cpu_weight=50)) == {"cpu": {"shares": 512}}


def test_swap_is_as_memory_where_it_is_counted_and_unsaid_where_not() -> None:
    only = Resources(memory=Size(64 * MEBIBYTE))
    assert render_resources(only)["memory"] == {"limit": 64 * MEBIBYTE, "swap": 64 * MEBIBYTE}
    assert render_resources(only, HostLimits(limits_swap=False))["memory"] == {"limit": 64 * MEBIBYTE}


def test_what_is_taken_away_is_said() -> None:
    assert render_limits(kernel_limits(Resources(), V1), tuple(Limit), limits_swap=True) == {
        "memory": {"limit": -1, "swap": -1},
        "cpu": {"quota": -1, "period": CPU_PERIOD, "shares": 1024},
        "pids": {"limit": -1},
        "blockIO": {"weight": 100},
    }
    words = NoLimit(cpu_quota=7, pids=8)
    assert render_limits(KernelLimits(), (Limit.CPUS, Limit.PIDS), limits_swap=True, no_limit=words) == {
        "cpu": {"quota": 7, "period": CPU_PERIOD},
        "pids": {"limit": 8},
    }


def test_as_much_as_there_can_be_is_no_limit() -> None:
    limits = kernel_limits(Resources(cpus=8192.0, pids=MOST_PIDS), V2)
    assert (limits.cpu_quota, limits.pids) == (None, None)
    assert render_resources(Resources(cpus=8192.0, pids=MOST_PIDS), V2) == {}
    assert kernel_limits(Resources(cpus=8191.0), V2).cpu_quota == MOST_QUOTA - CPU_PERIOD


@given(resources, st.sampled_from([V1, V2]))
def test_a_limit_differs_from_itself_in_nothing_and_whole_pages_are_the_same(
    asked: Resources, host: HostLimits
) -> None:
    wanted = kernel_limits(asked, host)
    cut = None if wanted.memory is None else wanted.memory // PAGE * PAGE
    held = KernelLimits(
        memory=cut, memory_and_swap=cut, cpu_quota=wanted.cpu_quota, pids=wanted.pids, weights=wanted.weights
    )
    assert find_differences(wanted, wanted, PAGE) == find_differences(wanted, held, PAGE) == ()


@given(resources, resources, st.sampled_from([V1, V2]))
def test_only_what_was_asked_for_differs(one: Resources, other: Resources, host: HostLimits) -> None:
    different = find_differences(kernel_limits(one, host), kernel_limits(other, host), PAGE)
    for limit in Limit:
        if getattr(one, limit.value) == getattr(other, limit.value):
            assert limit not in different


def test_what_is_held_otherwise_is_found() -> None:
    wanted = kernel_limits(EVERY, V2)
    assert find_differences(wanted, KernelLimits(), PAGE) == tuple(Limit)
    assert limits_of(EVERY) == frozenset(Limit)
    assert limits_of(Resources()) == frozenset()


@pytest.mark.parametrize(
    ("missing", "names"),
    [
        ("memory", ["memory"]),
        ("swap", ["memory_swap"]),
        ("cpu", ["cpus", "cpu_weight"]),
        ("pids", ["pids"]),
        ("io", ["io_weight"]),
    ],
)
def test_what_a_host_cannot_limit_is_a_fault_of_what_asks_for_it(missing: str, names: list[str]) -> None:
    faults = find_resource_faults(EVERY, ALL - {missing})
    assert [fault.path for fault in faults] == [("resources", name) for name in names]
    assert all(fault.message.startswith("cannot limit ") and fault.hint for fault in faults)
    assert find_resource_faults(Resources(), ALL - {missing}) == ()


def test_a_host_without_a_controller_refuses_the_definition() -> None:
    host = evolve(HOST, controllers=frozenset({"memory"}))
    definition = host_definition(resources=Resources(pids=5, memory=Size(64 * MEBIBYTE)))
    faults = resolve_spec("web", definition, answer(ask_questions("web", definition), host))
    assert isinstance(faults, tuple)
    (fault,) = faults
    assert fault.path == ("resources", "pids")
    assert fault.message == "cannot limit processes: this host has no pids controller"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"memory_swap": Size(64 * MEBIBYTE)}, '"64M" for memory and swap needs a limit of memory too'),
        (
            {"memory": Size(64 * MEBIBYTE), "memory_swap": Size(32 * MEBIBYTE)},
            '"32M" is below memory, "64M", which is a part of it',
        ),
        ({"memory": Size(64 * MEBIBYTE), "memory_swap": Size(64 * MEBIBYTE)}, None),
        ({"memory": Size(64 * MEBIBYTE)}, None),
    ],
)
def test_swap_counts_memory_in(asked: dict[str, Any], message: str | None) -> None:
    faults = find_resource_faults(Resources(**asked), ALL)
    assert [(fault.path, fault.message) for fault in faults] == (
        [] if message is None else [(("resources", "memory_swap"), message)]
    )
