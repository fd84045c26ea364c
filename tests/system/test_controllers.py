"""What a host can limit, on made-up files of both versions, and on this machine."""

from pathlib import Path

import pytest

from orchestrator.system.controllers import find_controllers, find_host_limits
from orchestrator.system.hierarchies import Hierarchy, read_hierarchies

V1 = ("memory", "cpu", "pids", "blkio")


def make(folder: Path, **files: str) -> None:
    """Files whose first ``_`` is a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)


def make_v1(folder: Path, *controllers: str) -> tuple[Hierarchy, ...]:
    for name in controllers:
        make(folder / name, cgroup_procs="")
    return tuple(Hierarchy(1, str(folder / name), frozenset({name})) for name in controllers)


def make_v2(folder: Path, controllers: str) -> tuple[Hierarchy, ...]:
    make(folder, cgroup_controllers=controllers, cgroup_procs="")
    return (Hierarchy(2, str(folder), frozenset()),)


def test_version_1(tmp_path: Path) -> None:
    hierarchies = make_v1(tmp_path, *V1)
    assert find_controllers(hierarchies) == {"memory", "cpu", "pids"}
    assert find_host_limits(hierarchies).weight_files == ("cpu.shares",)
    (tmp_path / "memory/memory.memsw.limit_in_bytes").write_text("9223372036854771712\n")
    assert find_controllers(hierarchies) == {"memory", "swap", "cpu", "pids"}


@pytest.mark.parametrize("sign", ["blkio.bfq.io_serviced", "system.slice/blkio.bfq.weight"])
def test_the_weight_of_bfq_is_not_in_the_root_of_version_1(tmp_path: Path, sign: str) -> None:
    hierarchies = make_v1(tmp_path, *V1)
    make(tmp_path / "blkio/system.slice", cgroup_procs="")
    assert "io" not in find_controllers(hierarchies)
    (tmp_path / "blkio" / sign).write_text("")
    assert "io" in find_controllers(hierarchies)
    assert find_host_limits(hierarchies).weight_files == ("cpu.shares", "blkio.bfq.weight")


def test_version_2(tmp_path: Path) -> None:
    hierarchies = make_v2(tmp_path, "cpuset cpu io memory pids\n")
    # The root has no limits, so that of memory and swap the usual is assumed.
    assert find_controllers(hierarchies) == {"memory", "swap", "cpu", "pids"}
    (tmp_path / "io.cost.qos").write_text("")
    assert find_controllers(hierarchies) == {"memory", "swap", "cpu", "pids", "io"}
    assert find_host_limits(hierarchies).weight_files == ("cpu.weight", "io.weight")
    make(tmp_path / "system.slice", cgroup_procs="", memory_max="max\n")
    assert not find_host_limits(hierarchies).limits_swap
    (tmp_path / "system.slice/io.bfq.weight").write_text("default 100\n")
    (tmp_path / "system.slice/memory.swap.max").write_text("max\n")
    assert find_host_limits(hierarchies).limits_swap
    assert find_host_limits(hierarchies).weight_files == ("cpu.weight", "io.weight", "io.bfq.weight")


def test_a_controller_that_is_missing_in_version_2(tmp_path: Path) -> None:
    assert find_controllers(make_v2(tmp_path, "cpu pids\n")) == {"cpu", "pids"}


def test_beside_version_1_the_controllers_of_version_2_limit_nothing(tmp_path: Path) -> None:
    unified = make_v2(tmp_path / "unified", "memory hugetlb\n")
    assert find_controllers((*make_v1(tmp_path, "cpu"), *unified)) == {"cpu"}


def test_no_control_groups_at_all() -> None:
    assert find_controllers(()) == frozenset()
    assert find_host_limits(()).weight_files == ()
    assert not find_host_limits(()).limits_swap


@pytest.mark.real
def test_this_machine_can_limit_what_tests_need() -> None:
    assert {"memory", "cpu", "pids"} <= find_controllers(read_hierarchies())
