"""The watched directory where a mount hangs, is gone or is replaced: a real one, whose server does as a test says."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from orchestrator.model.source import Listing
from orchestrator.system import directory as directory_module
from orchestrator.system.directory import WatchedDirectory
from tests.faults.fuse_folder import MountedFolder

pytestmark = pytest.mark.real

GUARD = 20.0
PATIENCE = 0.2
SILENT = "it does not answer"


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[MountedFolder]:
    for name in ("behind", "point", "config"):
        (tmp_path / name).mkdir()
    with MountedFolder(tmp_path / "behind", tmp_path / "point") as mount:
        yield mount


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "LOOK_INTERVAL", 0.05)


async def read_until(watched: WatchedDirectory, done: Callable[[dict[str, str | None]], bool]) -> Listing:
    """Read after each change, or each pause, until what files say is as wanted: their texts, or what is wrong with
    them, by name, and with the directory by an empty one."""
    with trio.fail_after(GUARD):
        while True:
            listing = await watched.read()
            if done({"": listing.error} | {source.name: source.text or source.error for source in listing.sources}):
                return listing
            await watched.wait_changed()


def count_threads() -> int:
    return len(os.listdir("/proc/self/task"))


async def test_a_directory(mount: MountedFolder) -> None:
    (mount.folder / "web.toml").write_text("old")
    with WatchedDirectory(str(mount.point), patience=PATIENCE) as watched:
        await read_until(watched, lambda seen: seen["web"] == "old")
        mount.hang()
        error = f"cannot read the directory {mount.point}: {SILENT}"
        await read_until(watched, lambda seen: seen[""] == error)
        threads = count_threads()
        for _ in range(5):
            await read_until(watched, lambda seen: seen[""] == error)
            await watched.wait_changed()
        assert count_threads() == threads
        (mount.folder / "web.toml").write_text("new")
        mount.answer()
        await read_until(watched, lambda seen: seen == {"": None, "web": "new"})


async def test_a_file_that_is_a_link_costs_the_others_nothing(mount: MountedFolder, tmp_path: Path) -> None:
    config = tmp_path / "config"
    for number in range(3):
        (mount.folder / f"{number}.toml").write_text("there")
        (config / f"linked{number}.toml").symlink_to(mount.point / f"{number}.toml")
    (config / "web.toml").write_text("old")
    with WatchedDirectory(str(config), patience=PATIENCE) as watched:
        await read_until(watched, lambda seen: seen["linked0"] == "there")
        threads = count_threads()
        mount.hang()
        linked = dict.fromkeys(("linked0", "linked1", "linked2"), f"cannot read the file: {SILENT}")
        await read_until(watched, lambda seen: seen == {"": None, "web": "old", **linked})
        (config / "web.toml").write_text("new")
        await read_until(watched, lambda seen: seen == {"": None, "web": "new", **linked})
        assert count_threads() <= threads + 1, "one for the mount"
        mount.answer()
        await read_until(watched, lambda seen: seen["linked2"] == "there")


async def test_a_path_that_is_watched_beside_it(mount: MountedFolder, tmp_path: Path) -> None:
    config = tmp_path / "config"
    (config / "web.toml").write_text("old")
    (mount.folder / "variables").write_text("A=1")
    with WatchedDirectory(str(config), patience=PATIENCE) as watched:
        watched.watch_also((f"{mount.point}/missing/x",), (f"{mount.point}/variables",))
        await read_until(watched, lambda seen: seen["web"] == "old")
        mount.hang()
        await watched.read()
        (config / "web.toml").write_text("new")
        await read_until(watched, lambda seen: seen["web"] == "new")


async def test_a_mount_in_place_of_one_that_hangs(mount: MountedFolder) -> None:
    (mount.folder / "web.toml").write_text("old")
    with WatchedDirectory(str(mount.point), patience=PATIENCE) as watched:
        mount.hang()
        await read_until(watched, lambda seen: SILENT in (seen[""] or ""))
        mount.unmount()
        mount.mount()
        await read_until(watched, lambda seen: seen == {"": None, "web": "old"})


async def test_a_server_that_is_gone_and_comes_back(mount: MountedFolder, tmp_path: Path) -> None:
    (mount.folder / "web.toml").write_text("old")
    (tmp_path / "config" / "linked.toml").symlink_to(mount.point / "web.toml")
    for path in (mount.point, tmp_path / "config"):
        with WatchedDirectory(str(path), patience=PATIENCE) as watched:
            await read_until(watched, lambda seen: "old" in seen.values())
            mount.die()
            await read_until(watched, lambda seen: any("not connected" in (each or "") for each in seen.values()))
            mount.unmount()
            mount.mount()  # of which no event tells
            await read_until(watched, lambda seen: "old" in seen.values())
