"""The choice of a runtime, by what really runs."""

import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from attrs import evolve

from orchestrator.model.bundle import Instance
from orchestrator.model.cgroups import CgroupDriver
from orchestrator.ports import RuntimeFailed
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.probe_runtime import choose_runtime
from orchestrator.system.runtime import OciRuntime
from tests.system.helpers_runtime import CRUN_WRAPPER, Bench, Program, find_runtime, open_bench

FINDS_NO_BUS = """\
case "$*" in *--systemd-cgroup*) echo no bus >&2; exit 1;; esac
exec {runc} "$@"
"""
MAKES_GROUPS_ELSEWHERE = """\
for word; do
    shift
    if [ "$before" = --bundle ]; then
        sed -i 's|"orchestrator.slice:[^"]*"|"/orchestrator-elsewhere"|' "$word/config.json"
    fi
    [ "$word" = --systemd-cgroup ] || set -- "$@" "$word"
    before=$word
done
exec {runc} "$@"
"""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench("runc", tmp_path) as bench:
        yield bench


async def choose(
    bench: Bench,
    folder: Path,
    wanted: str,
    path: str | None = None,
    wrapper: tuple[str, ...] = (),
    drivers: tuple[CgroupDriver, ...] = (CgroupDriver.CGROUPFS,),
    says: tuple[str, ...] = (),
) -> OciRuntime:
    """says: patterns of the lines that are told."""
    lines: list[str] = []
    try:
        return await choose_runtime(
            wanted,
            root=bench.runtime.root,
            scratch=str(folder / "probe"),
            parent_group=bench.group,
            children=bench.children,
            cgroups=bench.cgroups,
            say=lines.append,
            drivers=drivers,
            environ=None if path is None else {"PATH": path},
            wrapper=wrapper,
        )
    finally:
        assert not (folder / "probe").exists()
        assert len(lines) == len(says)
        assert all(re.search(pattern, line) for pattern, line in zip(says, lines, strict=True)), lines


def add_program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


@pytest.mark.real
async def test_auto_takes_the_first_that_runs_a_container(bench: Bench, tmp_path: Path) -> None:
    # A crun that is first on PATH and refuses, as the real one does on some hosts.
    add_program(tmp_path / "bin", "crun", "echo 'cgroups in hybrid mode not supported' >&2; exit 1")
    runtime = await choose(bench, tmp_path, "auto", path=f"{tmp_path}/bin:/usr/sbin:/usr/bin:/bin")
    assert (runtime.name, runtime.command) == ("runc", find_runtime("runc"))
    assert runtime.version.startswith("runc version ")


@pytest.mark.real
@pytest.mark.parametrize(("name", "wrapper"), [("runc", ()), ("crun", CRUN_WRAPPER)])
async def test_a_runtime_by_its_name_and_by_its_path(
    bench: Bench, tmp_path: Path, name: str, wrapper: tuple[str, ...]
) -> None:
    if len({hierarchy.version for hierarchy in Cgroups().hierarchies}) == 1:
        wrapper = ()
    for wanted in (name, find_runtime(name)):
        runtime = await choose(bench, tmp_path, wanted, wrapper=wrapper)
        assert (runtime.name, runtime.command) == (name, find_runtime(name))


@pytest.mark.real
async def test_a_driver_that_does_not_work_is_told_and_the_next_one_taken(bench: Bench, tmp_path: Path) -> None:
    # As where process 1 is systemd, and does not answer: a runtime that fails as soon as it is to ask it.
    runc = add_program(tmp_path / "bin", "runc", FINDS_NO_BUS.format(runc=find_runtime("runc")))
    both = (CgroupDriver.SYSTEMD, CgroupDriver.CGROUPFS)
    says = (f"^control groups are made by {runc} and not by systemd: no bus$",)
    runtime = await choose(bench, tmp_path, str(runc), drivers=both, says=says)
    assert runtime.driver is CgroupDriver.CGROUPFS


@pytest.mark.real
async def test_groups_elsewhere_than_they_are_to_be_are_a_reason_to_pass_over(bench: Bench, tmp_path: Path) -> None:
    # As where systemd runs in a container whose control groups are seen from outside: the scope is somewhere else.
    runc = add_program(tmp_path / "bin", "runc", MAKES_GROUPS_ELSEWHERE.format(runc=find_runtime("runc")))
    both = (CgroupDriver.SYSTEMD, CgroupDriver.CGROUPFS)
    says = ("its process is not in control group /orchestrator.slice/",)
    await choose(bench, tmp_path, str(runc), drivers=both, says=says)


@pytest.mark.real
async def test_nothing_that_works_is_told_in_one_line_with_every_reason(bench: Bench, tmp_path: Path) -> None:
    crun = add_program(tmp_path / "bin", "crun", "echo no good >&2; exit 1")
    runc = add_program(tmp_path / "bin", "runc", "kill -SEGV $$")
    with pytest.raises(RuntimeFailed) as caught:
        await choose(bench, tmp_path, "auto", path=f"{tmp_path}/bin:/usr/bin:/bin")
    message = str(caught.value)
    assert message.startswith(
        f"no OCI runtime works on this host: {crun}: no good; {runc}: signal 11; youki: not installed "
    )
    assert "apt-get install crun" in message
    assert "\n" not in message


@pytest.mark.real
async def test_a_name_that_is_not_there(bench: Bench, tmp_path: Path) -> None:
    for wanted, reason in (("railgun", "railgun: not installed"), ("/etc/passwd", "/etc/passwd: not a program")):
        with pytest.raises(RuntimeFailed, match=reason):
            await choose(bench, tmp_path, wanted)


@pytest.mark.real
async def test_a_cancelled_probe_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    for seconds in (0.0, 0.02, 0.04, 0.06):
        with trio.move_on_after(seconds):
            await choose(bench, tmp_path, "runc")


def move_instance(instance: Instance, folder: Path) -> Instance:
    """The same with its bundle below another folder."""
    folder.mkdir()
    old, new = Path(instance.folder), folder / instance.id
    old.rename(new)
    config = new / "config.json"
    config.write_text(config.read_text().replace(f"{old}/", f"{new}/"))
    return evolve(instance, folder=str(new), rootfs=str(new / "rootfs"), log=str(new / "output.log"))


@pytest.mark.real
async def test_what_a_killed_agent_left_of_its_probe_is_removed(bench: Bench, tmp_path: Path) -> None:
    # As after a kill between create and start: the container, its folder, its control group.
    scratch = tmp_path / "probe"
    left = move_instance(bench.make_instance(Program.STAYS), scratch)
    process = await bench.runtime.create(left)
    # And as after a kill before there was anything but a folder.
    (scratch / "probe-crun-1-00000000" / "rootfs" / "proc").mkdir(parents=True)
    await choose(bench, tmp_path, "runc")
    assert (await process.wait()).signal == signal.SIGKILL
    process.close()
    assert not bench.cgroups.exists(left.cgroups_path)
    assert await bench.runtime.list_instances() == ()


@pytest.mark.real
async def test_a_folder_of_probes_that_is_left_empty_is_removed(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "probe").mkdir()
    await choose(bench, tmp_path, "runc")
