"""Live limits on made-up files of version 2, with a command that stands for a runtime: all of them hold, or none."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core.limits import CPU_PERIOD, MOST_PIDS, MOST_QUOTA, NoLimit
from orchestrator.model.resources import Resources
from orchestrator.model.types import Size
from orchestrator.ports import OutsideError
from orchestrator.system.hierarchies import Hierarchy
from orchestrator.system.update import choose_no_limit, update_limits

MEBIBYTE = 1024 * 1024
NEW = {
    "memory.max": "max",
    "memory.swap.max": "max",
    "cpu.max": "max 100000",
    "cpu.weight": "100",
    "pids.max": "max",
    "io.weight": "default 100",
}


class Group:
    """The group /a, and an update that does to its files what a runtime does, in a runtime's order."""

    def __init__(self, folder: Path) -> None:
        folder.joinpath("cgroup.controllers").write_text("cpu io memory pids\n")
        self.hierarchies = (Hierarchy(2, str(folder), frozenset()),)
        self.folder = folder / "a"
        self.folder.mkdir()
        for name, text in NEW.items():
            self.write(name, text)
        self.told: list[dict[str, object]] = []
        self.refuses: Callable[[str, str], bool] = lambda name, text: False

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(f"{text}\n")

    def read(self) -> dict[str, str]:
        return {name: (self.folder / name).read_text().strip() for name in NEW}

    async def command(self, resources: bytes) -> None:
        told = json.loads(resources)
        self.told.append(told)
        values: dict[str, str] = {}
        if memory := told.get("memory"):
            values["memory.max"] = "max" if memory["limit"] == -1 else str(memory["limit"])
            values["memory.swap.max"] = "max" if memory["swap"] == -1 else str(memory["swap"] - memory["limit"])
        if cpu := told.get("cpu"):
            values["cpu.max"] = f"{'max' if cpu['quota'] == -1 else cpu['quota']} {cpu['period']}"
        if pids := told.get("pids"):
            values["pids.max"] = "max" if pids["limit"] == -1 else str(pids["limit"])
        for name, text in (values | told.get("unified", {})).items():
            if self.refuses(name, text):
                raise OutsideError(f"{name}: invalid argument")
            self.write(name, text)

    async def update(self, resources: Resources) -> None:
        await update_limits("/a", resources, self.hierarchies, self.command, NoLimit())


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path)


async def test_only_what_is_to_be_another_is_told(group: Group) -> None:
    await group.update(Resources(pids=64, io_weight=200))
    await group.update(Resources(pids=64, io_weight=200, memory=Size(64 * MEBIBYTE)))
    await group.update(Resources(pids=64, io_weight=200, memory=Size(64 * MEBIBYTE)))
    assert group.told == [
        {"pids": {"limit": 64}, "unified": {"io.weight": "200"}},
        {"memory": {"limit": 64 * MEBIBYTE, "swap": 64 * MEBIBYTE}},
    ]
    assert group.read() == NEW | {
        "pids.max": "64",
        "io.weight": "200",
        "memory.max": str(64 * MEBIBYTE),
        "memory.swap.max": "0",
    }


async def test_what_is_asked_for_no_more_is_the_kernels_default_again(group: Group) -> None:
    every = Resources(memory=Size(64 * MEBIBYTE), cpus=0.5, cpu_weight=7, pids=3, io_weight=7000)
    await group.update(every)
    assert group.read()["cpu.max"] == "50000 100000"
    await group.update(Resources())
    assert group.read() == NEW | {"io.weight": "100"}


async def test_what_the_kernel_refuses_takes_back_what_came_before_it(group: Group) -> None:
    await group.update(Resources(memory=Size(64 * MEBIBYTE), pids=10))
    before = group.read()
    group.refuses = lambda name, text: name == "cpu.weight" and text == "500"
    with pytest.raises(OutsideError, match=r"^cpu.weight: invalid argument$"):
        await group.update(Resources(memory=Size(32 * MEBIBYTE), cpus=2.0, cpu_weight=500))
    assert group.read() == before


async def test_what_does_not_hold_though_nobody_refused_it_is_taken_back(group: Group) -> None:
    async def forgetful(resources: bytes) -> None:
        await group.command(resources)
        if b"33" in resources:
            group.write("pids.max", "34")

    with pytest.raises(OutsideError, match=r"^the kernel holds pids 34 instead of 33$"):
        await update_limits("/a", Resources(pids=33, cpus=1.0), group.hierarchies, forgetful, NoLimit())
    assert group.read() == NEW


async def test_what_cannot_be_put_back_is_said(group: Group) -> None:
    group.refuses = lambda name, text: name == "cpu.weight" or (name == "pids.max" and text == "max")
    why = r"^cpu.weight: invalid argument; what held before could not be put back: pids.max: invalid argument$"
    with pytest.raises(OutsideError, match=why):
        await group.update(Resources(pids=5, cpu_weight=500))
    assert group.read() == NEW | {"pids.max": "5"}


async def test_a_limit_that_would_kill_is_not_tried(group: Group) -> None:
    group.write("memory.current", str(50 * MEBIBYTE))
    group.write("memory.stat", f"active_file {MEBIBYTE}\ninactive_file {MEBIBYTE}")
    with pytest.raises(OutsideError, match=f"a memory limit of {47 * MEBIBYTE} is below what it uses"):
        await group.update(Resources(memory=Size(47 * MEBIBYTE)))
    assert group.told == []
    await group.update(Resources(memory=Size(48 * MEBIBYTE)))


async def test_what_the_group_has_no_file_for_is_refused(group: Group) -> None:
    (group.folder / "pids.max").unlink()
    (group.folder / "io.weight").unlink()
    with pytest.raises(OutsideError, match=r"^the kernel of this host cannot limit io_weight and pids$"):
        await group.update(Resources(pids=5, cpus=1.0, io_weight=5))
    assert group.told == []


def test_how_a_runtime_is_told_of_no_limit() -> None:
    v1 = (Hierarchy(1, "/sys/fs/cgroup/cpu", frozenset({"cpu"})),)
    v2 = (Hierarchy(2, "/sys/fs/cgroup", frozenset()),)
    assert choose_no_limit("crun", v1) == NoLimit(cpu_quota=MOST_QUOTA, pids=MOST_PIDS)
    assert choose_no_limit("crun", v2) == choose_no_limit("runc", v1) == NoLimit(cpu_quota=-1, pids=-1)
    assert CPU_PERIOD * 8192 == MOST_QUOTA
