"""What a container uses: made-up files of both versions, and a group of this machine."""

from pathlib import Path

from orchestrator.model.usage import Usage
from orchestrator.system.hierarchies import Hierarchy
from orchestrator.system.usage import read_usage


def make_group(mount: Path, **files: str) -> None:
    """The group /a below a mount point, with files whose first ``_`` is a dot."""
    (mount / "a").mkdir(parents=True)
    for name, text in files.items():
        (mount / "a" / name.replace("_", ".", 1)).write_text(text)


def test_usage_of_v1(tmp_path: Path) -> None:
    make_group(tmp_path / "memory", memory_usage_in_bytes="4096\n", memory_limit_in_bytes="67108864\n")
    make_group(tmp_path / "pids", pids_current="3\n", pids_max="max\n")
    make_group(tmp_path / "cpu", cpuacct_usage="1500000000\n")
    hierarchies = (
        Hierarchy(1, str(tmp_path / "memory"), frozenset({"memory"})),
        Hierarchy(1, str(tmp_path / "pids"), frozenset({"pids"})),
        Hierarchy(1, str(tmp_path / "cpu"), frozenset({"cpu", "cpuacct"})),
    )
    expected = Usage(memory=4096, memory_limit=67108864, pids=3, cpu_seconds=1.5)
    assert read_usage("/a", hierarchies) == expected
    (tmp_path / "memory/a/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert read_usage("/a", hierarchies).memory_limit is None
    assert read_usage("/gone", hierarchies) == Usage()


def test_usage_of_v2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    make_group(
        tmp_path,
        memory_current="8192\n",
        memory_max="max\n",
        pids_current="1\n",
        cpu_stat="usage_usec 250000\nuser_usec 200000\nsystem_usec 50000\n",
    )
    hierarchies = (Hierarchy(2, str(tmp_path), frozenset()),)
    assert read_usage("/a", hierarchies) == Usage(memory=8192, pids=1, cpu_seconds=0.25)
    assert read_usage("/gone", hierarchies) == Usage()


def test_what_the_kernel_does_not_count_is_not_there(tmp_path: Path) -> None:
    make_group(tmp_path / "memory", memory_usage_in_bytes="4096\n")
    hierarchies = (Hierarchy(1, str(tmp_path / "memory"), frozenset({"memory"})),)
    assert read_usage("/a", hierarchies) == Usage(memory=4096)
    assert read_usage("/a", ()) == Usage()
