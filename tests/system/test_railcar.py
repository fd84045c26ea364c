"""railcar's quirks, one a test: what its create makes. Each fails where the adapter does not mind it.

The runtime is a stand-in that has them all, `railcar_stand_in.py`.
"""

import contextlib
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from orchestrator.ports import RuntimeFailed
from orchestrator.system.railcar import show_cgroups
from orchestrator.system.railcar_rootfs import find_writable, place_mounts
from tests.system.helpers_runtime import Bench, open_bench
from tests.system.railcar_bench import change_file, live, make, read, undo

pytestmark = pytest.mark.real


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What the stand-in was called with."""
    log = tmp_path / "commands"
    monkeypatch.setenv("RAILCAR_STAND_IN_LOG", str(log))
    return lambda: log.read_text().splitlines() if log.exists() else []


@pytest.fixture
async def bench(commands: Callable[[], list[str]], tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench("stand-in", tmp_path) as bench:
        yield bench


async def test_the_application_is_process_1_and_its_end_is_the_container_s(bench: Bench) -> None:
    """railcar's own init would go on for the 1000 seconds, and say 137 then."""
    ended, said = await live(bench, make(bench, "sleep 1000 & echo $$; exit 3"))
    assert (ended.code, said) == (3, "1\n")


async def test_a_signal_reaches_the_application_alone_and_is_seen_as_one(bench: Bench) -> None:
    """railcar's own init would hand it to all, and end with a code of 128 and more."""
    script = "(trap 'echo child' TERM; sleep 0.2; :) & trap 'echo own' TERM; echo up; wait; wait; kill -9 $$; exit 4"
    instance = make(bench, script)
    process = await bench.runtime.create(instance)
    await bench.runtime.start(instance.id, instance.folder)
    with trio.fail_after(10):
        while "up" not in read(instance.log):  # noqa: ASYNC110 - a file has no event
            await trio.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        ended = await process.wait()
    process.close()
    assert (ended.code, read(instance.log)) == (4, "up\nown\n")
    await bench.remove(instance)


async def test_its_groups_are_not_below_the_one_that_the_agent_is_in(bench: Bench) -> None:
    with in_a_group(bench, "cpuset"):
        instance = make(bench)
        process = await bench.runtime.create(instance)
        assert process.pid in bench.cgroups.pids(instance.cgroups_path)
        await undo(bench, instance, process)


@contextlib.contextmanager
def in_a_group(bench: Bench, controller: str) -> Iterator[None]:
    """This process in a group of its own."""
    hierarchy = next(each for each in bench.cgroups.hierarchies if controller in each.controllers)
    root = Path(hierarchy.mount_point)
    own = root / f"{bench.group[1:]}-own"
    own.mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):
        (own / name).write_text((root / name).read_text())
    (own / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield
    finally:
        (root / "cgroup.procs").write_text(str(os.getpid()))
        own.rmdir()


async def test_its_mounts_of_control_groups_are_shared_and_the_host_s_are_as_they_were(bench: Bench) -> None:
    before = read("/proc/self/mountinfo")
    argv = (*show_cgroups(bench.cgroups.hierarchies), "cat", "/proc/self/mountinfo")
    seen = (await trio.run_process(argv, capture_stdout=True)).stdout.decode()
    lines = [line for line in seen.splitlines() if " - cgroup " in line]
    assert lines
    assert [line for line in lines if not re.search(r"\S+ shared:\d+ - ", line)] == []
    assert [line for line in lines if len(line.partition(" - ")[0].split()) != 7] == []
    assert read("/proc/self/mountinfo") == before


async def test_the_parent_of_its_groups_has_processors_and_memory(bench: Bench) -> None:
    mount = next(each for each in bench.cgroups.hierarchies if "cpuset" in each.controllers).mount_point
    instance = make(bench)
    instance = evolve(instance, cgroups_path=f"{bench.group}/deep/er")
    change_file(instance, lambda config: config["linux"].update(cgroupsPath=instance.cgroups_path))
    process = await bench.runtime.create(instance)
    for name in ("cpuset.cpus", "cpuset.mems"):
        assert read(f"{mount}{bench.group}/deep/{name}") == read(f"{mount}/{name}")
    await undo(bench, instance, process)
    bench.cgroups.remove_parent(f"{bench.group}/deep")


async def test_a_command_that_is_missing_is_told_at_create(bench: Bench) -> None:
    """railcar looks for it when it is started, and create has gone well."""
    for missing in ("/no/such", "no-such"):
        instance = make(bench)
        change_file(instance, lambda config: config["process"].update(args=[missing]))  # noqa: B023 - called at once
        with pytest.raises(RuntimeFailed, match=f"^cannot create container .*: {missing}: No such file or directory$"):
            await bench.runtime.create(instance)
        await bench.remove(instance)
    instance = make(bench, change=lambda config: config["process"].update(args=["true"]))
    assert (await live(bench, instance))[0].success


async def test_root_without_capabilities_may_open_devices(bench: Bench) -> None:
    names = ("null", "zero", "full", "urandom", "random")
    ended, said = await live(bench, make(bench, "".join(f": < /dev/{name} || exit 1;" for name in names)))
    assert (ended.code, said) == (0, "")


async def test_groups_of_the_agent_are_not_the_application_s(bench: Bench) -> None:
    before = os.getgroups()
    os.setgroups([4242])
    try:
        _, said = await live(bench, make(bench, "id -G"))
    finally:
        os.setgroups(before)
    assert said == "0\n"


async def test_masked_folders_are_empty(bench: Bench) -> None:
    def mask(config: dict[str, Any]) -> None:
        config["linux"]["maskedPaths"] = ["/proc/sys", "/proc/cpuinfo"]

    _, said = await live(bench, make(bench, "ls -A /proc/sys; cat /proc/cpuinfo", mask))
    assert said == ""


async def test_a_call_that_is_not_to_be_known_is_not_known(bench: Bench) -> None:
    """railcar would say EPERM, and a libc would not try an older call then."""
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    same = {"names": ["acct"], "action": "SCMP_ACT_ALLOW"}
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule, same]}
    _, said = await live(bench, make(bench, "mkdir /dev/a", lambda config: config["linux"].update(seccomp=seccomp)))
    assert "Function not implemented" in said


async def test_devices_that_it_makes_itself_may_be_asked_for(bench: Bench) -> None:
    device = {"path": "/dev/tty", "type": "c", "major": 5, "minor": 0, "fileMode": 0o666, "uid": 0, "gid": 0}
    ended, _ = await live(bench, make(bench, change=lambda config: config["linux"].update(devices=[device])))
    assert ended.success


async def test_a_missing_working_directory_is_made(bench: Bench) -> None:
    _, said = await live(bench, make(bench, "pwd", lambda config: config["process"].update(cwd="/srv/work")))
    assert said == "/srv/work\n"


async def test_a_mount_point_behind_a_link_is_inside(bench: Bench, tmp_path: Path) -> None:
    """railcar would go where the link leads on the host."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("inside")
    instance = make(bench, "cat /there/file")
    root = Path(instance.rootfs)
    (root / "real").mkdir()
    (root / "link").symlink_to(f"{tmp_path}/outside/..")
    (root / "there").symlink_to("/real")
    mounts: list[dict[str, Any]] = [
        {"destination": point} for point in ("/there/a/b", "/dev/pts", "/dev", "/real/../x")
    ]
    assert [mount["destination"] for mount in place_mounts(mounts, str(root))][:3] == ["/real/a/b", "/dev/pts", "/dev"]
    mount = {"destination": "/there", "type": "bind", "source": f"{tmp_path}/data", "options": ["rbind", "ro"]}
    change_file(instance, lambda config: config["mounts"].append(mount))
    _, said = await live(bench, instance)
    assert said == "inside"
    told = json.loads(read(f"{instance.folder}/config.json"))["mounts"]
    assert told[-1]["destination"] == "/real"


async def test_what_cannot_be_made_read_only_whole_is_refused(bench: Bench, tmp_path: Path) -> None:
    mount = {"destination": "/all", "type": "bind", "source": "/", "options": ["rbind", "ro", "rro"]}
    instance = make(bench, change=lambda config: config["mounts"].append(mount))
    with pytest.raises(RuntimeFailed, match=r"railcar: it cannot make read-only what is mounted below /$"):
        await bench.runtime.create(instance)
    await bench.remove(instance)
    assert list(find_writable([{**mount, "source": str(tmp_path)}, {**mount, "options": ["bind", "ro"]}])) == []


async def test_what_it_would_drop_without_a_word_is_refused(bench: Bench, commands: Callable[[], list[str]]) -> None:
    instance = make(bench, change=lambda config: config.update(hooks={"createRuntime": [{"path": "/bin/true"}]}))
    with pytest.raises(RuntimeFailed, match=r"^cannot create container \S+: railcar: it has no hooks of kind create"):
        await bench.runtime.create(instance)
    await bench.remove(instance)
    assert commands() == []


async def test_a_failed_create_tells_the_first_error_with_its_cause_and_ends_nobody_else(bench: Bench) -> None:
    """It says why twice, the second time as seen by its parent, and sends SIGTERM to its process group."""
    mount = {"destination": "/dev/a", "type": "nosuchfs", "source": "none", "options": []}
    instance = make(bench, change=lambda config: config["mounts"].append(mount))
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        with pytest.raises(RuntimeFailed, match=r"railcar: failed to init rootfs: .*/dev/a.*[Nn]o such device$"):
            await bench.runtime.create(instance)
        with trio.move_on_after(0.05) as patience:
            await anext(signals)
    assert patience.cancelled_caught
    await bench.remove(instance)
