"""Containers for the tests of runtimes: one bench for each runtime, the fake one among them, with the same programs.

A bench ends by comparing the host with what it was: mounts, control groups, children, descriptors, state folders.
"""

import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any

import trio

from orchestrator.core.limits import render_resources
from orchestrator.model.bundle import Bundle, Instance
from orchestrator.model.resources import Resources
from orchestrator.model.spec import FolderRoot
from orchestrator.model.types import Size
from orchestrator.ports import Process, Runtime
from orchestrator.system.cgroup import Cgroups
from orchestrator.system.controllers import find_host_limits
from orchestrator.system.procstat import read_start_time
from orchestrator.system.railcar import make_runtime as make_real
from orchestrator.system.reaper import Children, become_subreaper, list_children, reap_orphans
from orchestrator.system.runtime import OciRuntime
from orchestrator.testing.runtime import FakeProgram, FakeRuntime

MEBIBYTE = 1024 * 1024
CRUN_WRAPPER = ("/usr/bin/unshare", "-m", "/bin/sh", "-c", 'umount -l /sys/fs/cgroup/unified; exec "$0" "$@"')
"""crun 1.8 refuses a host with both versions of cgroups: hide the second one from it."""

STAND_IN = Path(__file__).with_name("railcar_stand_in.py")
"""For railcar, which distributions do not have (any more). As a runtime's name: ``stand-in``."""


class Program(Enum):
    """What the application of a test does: its command, and how the fake does the same."""

    EXITS_0 = (("/bin/true",), FakeProgram(exits=0))
    EXITS_3 = (("/bin/sh", "-c", "exit 3"), FakeProgram(exits=3))
    STAYS = (("/bin/sleep", "1000"), FakeProgram(ignores=frozenset({signal.SIGTERM})))
    """Process 1 of a pid namespace ignores every signal that it has no handler for, but SIGKILL."""
    OBEYS = (("/bin/sh", "-c", "trap 'exit 7' TERM; echo up; sleep 1000 & wait"), FakeProgram(stop_code=7))
    EATS_MEMORY = (("/usr/bin/tail", "/dev/zero"), FakeProgram(out_of_memory=True))
    HOLDS_MEMORY = (
        ("/bin/sh", "-c", "x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo up; sleep 1000; echo $x"),
        FakeProgram(),
    )
    LISTS_DESCRIPTORS = (("/bin/sh", "-c", "ls -l /proc/$$/fd; sleep 1000"), FakeProgram())
    IS_MISSING = (("/no/such/program",), FakeProgram(missing=True))
    FORKS = (("/bin/sh", "-c", "for i in 1 2 3; do sh -c 'sleep 1000 & wait' & done; echo up; wait"), FakeProgram())

    def __init__(self, args: tuple[str, ...], fake: FakeProgram) -> None:
        self.args = args
        self.fake = fake


class Bench:
    """A runtime and instances to try it with."""

    def __init__(self, runtime: Runtime, folder: Path, cgroups: Cgroups, children: Children) -> None:
        self.runtime = runtime
        self.cgroups = cgroups
        self.children = children
        self.group = f"/orchestrator-test-{os.getpid()}"
        self._folder = folder
        self._numbers = count(1)

    @property
    def is_real(self) -> bool:
        return isinstance(self.runtime, OciRuntime)

    def make_instance(
        self, program: Program, memory: int | None = 64 * MEBIBYTE, resources: Resources | None = None
    ) -> Instance:
        """An instance with a limit of memory, or with these ``resources``."""
        name = f"c{next(self._numbers)}"
        folder = self._folder / name
        rootfs = folder / "rootfs"
        cgroups_path = f"{self.group}/{name}"
        resources = resources or Resources(memory=None if memory is None else Size(memory))
        host = find_host_limits(self.cgroups.hierarchies)
        config = make_config(program.args, rootfs, cgroups_path, render_resources(resources, host))
        if isinstance(self.runtime, FakeRuntime):
            self.runtime.set_program(name, program.fake)
        else:
            (folder / "config.json").write_text(json.dumps(config))
        return Instance(
            id=name,
            name=name,
            bundle=Bundle("0" * 64, config, FolderRoot(path=str(rootfs)), readonly=True),
            resources=resources,
            folder=str(folder),
            rootfs=str(rootfs),
            cgroups_path=cgroups_path,
            log=str(folder / "output.log"),
        )

    async def run(self, instance: Instance, descriptors: Sequence[int] = ()) -> Process:
        """Create and start it, and wait until it says that it is up, if it is a program that does."""
        process = await self.runtime.create(instance, descriptors)
        await self.runtime.start(instance.id, instance.folder)
        if self.is_real and any("echo up" in argument for argument in instance.bundle.config["process"]["args"]):
            while "up" not in Path(instance.log).read_text():  # noqa: ASYNC110, ASYNC240 - a file has no event
                await trio.sleep(0.005)
        return process

    async def remove(self, instance: Instance) -> None:
        await self.runtime.remove(instance.id, instance.folder, instance.cgroups_path)


def make_config(args: tuple[str, ...], rootfs: Path, cgroups_path: str, limits: dict[str, Any]) -> dict[str, Any]:
    """A small config.json over the host's own programs, and the skeleton that it needs."""
    binds = []
    for name in ("usr", "bin", "sbin", "lib", "lib64"):
        host = Path("/", name)
        (rootfs / name).parent.mkdir(parents=True, exist_ok=True)
        if host.is_symlink():
            (rootfs / name).symlink_to(os.readlink(host))
        elif host.is_dir():
            (rootfs / name).mkdir()
            binds.append(
                {"destination": f"/{name}", "type": "bind", "source": f"/{name}", "options": ["rbind", "ro", "nosuid"]}
            )
    for name in ("proc", "dev"):
        (rootfs / name).mkdir()
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": list(args),
            "env": ["PATH=/usr/bin:/bin"],
            "cwd": "/",
            "capabilities": {name: [] for name in ("bounding", "effective", "permitted", "inheritable", "ambient")},
            "noNewPrivileges": True,
        },
        "root": {"path": str(rootfs), "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            *binds,
        ],
        "linux": {
            "namespaces": [{"type": name} for name in ("pid", "mount", "ipc", "uts", "network")],
            "cgroupsPath": cgroups_path,
            "resources": limits,
        },
    }


def find_runtime(name: str) -> str:
    """The program of a real runtime; a test that needs it fails where there is none, but for railcar."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None and name == "railcar":
        return str(STAND_IN)
    assert path is not None, f"{name} is not installed: apt-get install {name}"
    return path


def make_runtime(name: str, root: str, children: Children, cgroups: Cgroups) -> Runtime:
    if name == "fake":
        return FakeRuntime(root)
    if name == "stand-in":
        return make_real("railcar", str(STAND_IN), root, children, cgroups)
    hybrid = len({hierarchy.version for hierarchy in cgroups.hierarchies}) == 2
    wrapper = CRUN_WRAPPER if name == "crun" and hybrid else ()
    return make_real(name, find_runtime(name), root, children, cgroups, wrapper)


def look_at_host(group: str, cgroups: Cgroups) -> dict[str, list[str]]:
    """All that a container may leave behind: mounts, control groups, our children, our descriptors."""
    return {
        "mounts": sorted(filter(_may_be_ours, Path("/proc/self/mountinfo").read_text().splitlines())),
        "cgroups": [h.mount_point for h in cgroups.hierarchies if Path(h.mount_point + group).exists()],
        "children": sorted(f"{pid}@{read_start_time(pid)}" for pid in list_children()),
        "descriptors": sorted(filter(None, map(_read_descriptor, os.listdir("/proc/self/fd")))),
    }


def _may_be_ours(mount: str) -> bool:
    """Not a mount in the folder of a test that runs beside this one."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    return worker is None or "/popen-gw" not in mount or f"/popen-{worker}/" in mount


def _read_descriptor(number: str) -> str | None:
    try:
        return f"{number} {os.readlink(f'/proc/self/fd/{number}')}"
    except FileNotFoundError:  # the one that reads the folder
        return None


@contextmanager
def unchanged_host(bench: Bench) -> Iterator[None]:
    """Compare the host after with the host before."""
    before = look_at_host(bench.group, bench.cgroups)
    yield
    after = look_at_host(bench.group, bench.cgroups)
    changed = {kind: set(after[kind]) ^ set(before[kind]) for kind in before if after[kind] != before[kind]}
    assert not changed, changed


@asynccontextmanager
async def open_bench(name: str, folder: Path) -> AsyncIterator[Bench]:
    """A bench for a runtime by name; at its end nothing of it may be left."""
    children = Children()
    cgroups = Cgroups()
    bench = Bench(make_runtime(name, str(folder / "root"), children, cgroups), folder, cgroups, children)
    if bench.is_real:
        become_subreaper()
    async with trio.open_nursery() as nursery:
        await nursery.start(reap_orphans, children)
        with unchanged_host(bench):
            yield bench
            assert await bench.runtime.list_instances() == ()
        nursery.cancel_scope.cancel()
