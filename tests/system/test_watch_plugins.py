"""The plugins folder is a part of the watched directory: what changes there is a hint, and the listing has it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from orchestrator.system.directory import WatchedDirectory
from orchestrator.system.plugins import HostPlugins
from tests.system.helpers_plugins import mount_kind
from tests.system.test_directory import GUARD, is_hinted, settle


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedDirectory]:
    (tmp_path / "config").mkdir()
    with WatchedDirectory(f"{tmp_path}/config") as watched:
        yield watched


async def names_after(watched: WatchedDirectory, change: Callable[[], object]) -> list[str]:
    """The plugins that there are, once a change was noticed."""
    await settle(watched)
    change()
    with trio.fail_after(GUARD):
        await watched.wait_changed()
    return [file.fault or file.name for file in (await settle(watched)).plugins]


async def test_what_comes_changes_and_goes_in_it_is_a_hint(watched: WatchedDirectory, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "plugins"
    file = folder / "scratch.py"
    assert await names_after(watched, folder.mkdir) == []
    assert await names_after(watched, lambda: file.write_text("a = 1\n")) == ["scratch"]
    assert await names_after(watched, lambda: file.write_text("a = 2\n")) == ["scratch"]
    [fault] = await names_after(watched, lambda: file.chmod(0o666))
    assert "mode 0666" in fault
    assert await names_after(watched, lambda: file.chmod(0o644)) == ["scratch"]
    [fault] = await names_after(watched, lambda: folder.chmod(0o777))
    assert "mode 0777" in fault
    assert await names_after(watched, lambda: folder.chmod(0o755)) == ["scratch"]
    assert await names_after(watched, file.unlink) == []
    assert await names_after(watched, folder.rmdir) == []


async def test_what_a_link_leads_to_is_watched_too(watched: WatchedDirectory, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "1.py").write_text("a = 1\n")
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "scratch.py"
    folder = tmp_path / "config" / "plugins"
    assert await names_after(watched, lambda: folder.symlink_to(tmp_path / "elsewhere")) == []
    assert await names_after(watched, lambda: link.symlink_to(store / "1.py")) == ["scratch"]
    await names_after(watched, lambda: (store / "1.py").write_text("a = 2\n"))
    assert (await watched.read()).plugins[0].code == b"a = 2\n"


async def test_what_is_no_plugin_wakes_nobody(watched: WatchedDirectory, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "plugins"
    folder.mkdir()
    await settle(watched)
    for name in ("notes.txt", ".scratch.py.swp", "scratch.py~"):
        (folder / name).write_text("nothing")
    assert not await is_hinted(watched)


async def test_others_have_their_turn_between_two_files(tmp_path: Path) -> None:
    plugins, turns = HostPlugins(), 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    (tmp_path / "plugins").mkdir(mode=0o755)
    for name in ("a", "b", "c"):
        (tmp_path / "plugins" / f"{name}.py").write_text(mount_kind(name))
    with WatchedDirectory(str(tmp_path)) as watched:
        files = (await watched.read()).plugins
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_turns)
        while not turns:
            await trio.lowlevel.checkpoint()
        before = turns
        plugged = await plugins.follow(files)
        nursery.cancel_scope.cancel()
    assert not plugged.problems
    assert turns - before >= 2
