"""The limits that a group holds, on made-up files of both versions."""

from pathlib import Path

import pytest

from orchestrator.core.limits import KernelLimits, Limit
from orchestrator.system.held import read_limits, read_unreclaimable
from orchestrator.system.hierarchies import CgroupUnreadable, Hierarchy


def write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")


@pytest.fixture
def v2(tmp_path: Path) -> tuple[Hierarchy, ...]:
    write(tmp_path, {"cgroup.controllers": "cpu io memory pids"})
    return (Hierarchy(2, str(tmp_path), frozenset()),)


def test_version_2(tmp_path: Path, v2: tuple[Hierarchy, ...]) -> None:
    files = {
        "memory.max": "67108864",
        "memory.swap.max": "1048576",
        "cpu.max": "50000 100000",
        "cpu.weight": "200",
        "pids.max": "64",
        "io.weight": "default 300\n8:0 77",
        "io.bfq.weight": "100",
    }
    write(tmp_path / "a", files)
    held = read_limits("/a", v2)
    assert held.limits == KernelLimits(
        memory=67108864,
        memory_and_swap=68157440,
        cpu_quota=50000,
        pids=64,
        weights={"cpu.weight": 200, "io.weight": 300, "io.bfq.weight": 100},
    )
    assert held.possible == frozenset(Limit)
    assert held.form.limits_swap
    assert set(held.form.weight_files) == {"cpu.weight", "io.weight", "io.bfq.weight"}


def test_version_2_without_limits(tmp_path: Path, v2: tuple[Hierarchy, ...]) -> None:
    write(tmp_path / "a", {"memory.max": "max", "cpu.max": "max 100000", "cpu.weight": "100", "pids.max": "max"})
    held = read_limits("/a", v2)
    assert held.limits == KernelLimits(weights={"cpu.weight": 100})
    assert held.possible == {Limit.MEMORY, Limit.CPUS, Limit.CPU_WEIGHT, Limit.PIDS}
    assert not held.form.limits_swap


def test_a_controller_that_is_not_passed_on_to_the_group_limits_nothing(
    tmp_path: Path, v2: tuple[Hierarchy, ...]
) -> None:
    write(tmp_path / "a", {"pids.max": "max"})
    assert read_limits("/a", v2).possible == {Limit.PIDS}


def test_version_1(tmp_path: Path) -> None:
    hierarchies = tuple(
        Hierarchy(1, str(tmp_path / name), frozenset({name})) for name in ("memory", "cpu", "pids", "blkio")
    )
    unlimited = "9223372036854771712"
    write(tmp_path / "memory/a", {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": unlimited})
    write(tmp_path / "cpu/a", {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000", "cpu.shares": "1024"})
    write(tmp_path / "pids/a", {"pids.max": "4194304"})
    write(tmp_path / "blkio/a", {"blkio.bfq.weight": "1000"})
    held = read_limits("/a", hierarchies)
    assert held.limits == KernelLimits(memory=67108864, weights={"cpu.shares": 1024, "blkio.bfq.weight": 1000})
    assert held.possible == frozenset(Limit)
    write(tmp_path / "cpu/a", {"cpu.cfs_quota_us": "5000", "cpu.cfs_period_us": "10000"})
    assert read_limits("/a", hierarchies).limits.cpu_quota == 50000


def test_a_group_that_is_not_there_holds_nothing_that_could_be_read(v2: tuple[Hierarchy, ...]) -> None:
    with pytest.raises(CgroupUnreadable, match=r"^cannot read the limits of cgroup /gone: there is no such group$"):
        read_limits("/gone", v2)


def test_what_cannot_be_had_back_is_told_of_version_2_only(tmp_path: Path, v2: tuple[Hierarchy, ...]) -> None:
    stat = "anon 1000\nactive_file 1500\ninactive_file 500"
    write(tmp_path / "a", {"memory.current": "5000", "memory.stat": stat})
    assert read_unreclaimable("/a", v2) == 3000
    assert read_unreclaimable("/gone", v2) is None
    v1 = (Hierarchy(1, str(tmp_path), frozenset({"memory"})),)
    assert read_unreclaimable("/a", v1) is None


@pytest.mark.parametrize("file", ["cpu.weight", "cpu.max"])
def test_a_group_that_is_removed_while_it_is_read_is_told_as_one_that_cannot_be(
    tmp_path: Path, v2: tuple[Hierarchy, ...], file: str
) -> None:
    """What is updated may end at any moment; a file of a group that is gone reads as empty (`read_words`)."""
    write(tmp_path / "a", {"pids.max": "max", "cpu.weight": "100", "cpu.max": "max 100000"})
    (tmp_path / "a" / file).write_text("")
    with pytest.raises(CgroupUnreadable, match=r"^cannot read the limits of cgroup /a: it was removed meanwhile$"):
        read_limits("/a", v2)
