"""Folders and root file systems for containers of real runtimes, and what holds listening sockets."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.model.rootfs import DirectoryRootfs
from orchestrator.model.types import AbsolutePath
from orchestrator.system.listeners import HostListeners
from tests.system.helpers_bundles import find_cgroups
from tests.system.helpers_listen import MadeUpKeeper, count_descriptors


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder; nothing is mounted below it and no cgroup is left afterwards."""
    place = tmp_path / "bundle"
    place.mkdir()
    yield place
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert find_cgroups(f"t-{place.name}") == []


@pytest.fixture
def busybox(tmp_path: Path) -> DirectoryRootfs:
    """A root of one program, with users of its own."""
    program = shutil.which("busybox")
    assert program is not None, "busybox is missing: apt-get install busybox-static"
    root = tmp_path / "root"
    for name in ("bin", "etc"):
        (root / name).mkdir(parents=True)
    shutil.copy(program, root / "bin/busybox")
    for name in ("sh", "id", "grep", "ls", "cat", "touch"):
        (root / "bin" / name).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\napp:x:1234:1235::/home/app:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\napp:x:1235:\nextra:x:1236:app\n")
    return DirectoryRootfs(path=AbsolutePath(f"{root}"))


@pytest.fixture
def keeper() -> Iterator[MadeUpKeeper]:
    keeper = MadeUpKeeper()
    yield keeper
    HostListeners(keeper).keep_only({})
    assert keeper.kept == {}


@pytest.fixture
def listeners(keeper: MadeUpKeeper) -> Iterator[HostListeners]:
    before = count_descriptors()
    held = HostListeners(keeper)
    yield held
    held.keep_only({})
    assert count_descriptors() == before, "all are closed"
