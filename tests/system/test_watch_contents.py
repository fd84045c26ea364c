"""Files of the host whose content is a change: every way of writing them, and what wakes nobody."""
# ruff: noqa: ASYNC240 - what the tests do to the files is done at once, and the loop waits for it

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from orchestrator.system.directory import WatchedDirectory
from tests.system.test_directory import GUARD, is_hinted, settle, switch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file that is watched."""
    path = tmp_path / "srv" / "web.env"
    path.parent.mkdir()
    path.write_text("A=1\n")
    return path


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedDirectory]:
    """An empty directory of definitions."""
    (tmp_path / "config").mkdir()
    with WatchedDirectory(f"{tmp_path}/config") as watched:
        yield watched


async def follow(watched: WatchedDirectory, file: Path) -> None:
    """Watch what a file holds."""
    watched.watch_also([], [f"{file}"])
    with trio.fail_after(GUARD):
        await watched.wait_changed()  # it is new: it may have been written before it was watched
    await settle(watched)


async def expect_hint(watched: WatchedDirectory, change: Callable[[], object]) -> None:
    change()
    with trio.fail_after(GUARD):
        await watched.wait_changed()
    await settle(watched)


def replace(file: Path, text: str) -> None:
    """Write beside it and rename."""
    beside = file.with_name(".web.env.tmp")
    beside.write_text(text)
    beside.rename(file)


async def test_written_in_place_by_rename_and_made_anew(watched: WatchedDirectory, file: Path) -> None:
    await follow(watched, file)
    for number in range(2):
        await expect_hint(watched, lambda number=number: file.write_text(f"A={number}\n"))  # type: ignore[misc]
        await expect_hint(watched, lambda number=number: replace(file, f"B={number}\n"))  # type: ignore[misc]
        await expect_hint(watched, file.unlink)
        await expect_hint(watched, lambda number=number: file.write_text(f"C={number}\n"))  # type: ignore[misc]
    await expect_hint(watched, lambda: file.chmod(0o640))


async def test_half_a_file_is_no_hint_yet(watched: WatchedDirectory, file: Path) -> None:
    await follow(watched, file)
    with file.open("w") as writing:
        writing.write("A=")
        writing.flush()
        assert not await is_hinted(watched)
        writing.write("2\n")
    with trio.fail_after(GUARD):
        await watched.wait_changed()


async def test_what_goes_on_beside_it_wakes_nobody(watched: WatchedDirectory, file: Path) -> None:
    (file.parent / "app.log").touch()
    await follow(watched, file)
    assert watched._inotify is not None
    with (file.parent / "app.log").open("a") as log:
        log.write("a line\n")
    assert watched._inotify.drain() == ()
    file.read_text()
    assert watched._inotify.drain() == ()


async def test_a_link_beside_it_that_is_switched_as_kubernetes_does(watched: WatchedDirectory, tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    for number in (1, 2):
        (folder / f"..{number}").mkdir(parents=True)
        (folder / f"..{number}" / "web.env").write_text(f"A={number}\n")
    (folder / "..data").symlink_to("..1")
    (folder / "web.env").symlink_to("..data/web.env")
    await follow(watched, folder / "web.env")
    await expect_hint(watched, lambda: switch(folder / "..data", "..2"))
    await expect_hint(watched, lambda: (folder / "..2" / "web.env").write_text("A=3\n"))
    (folder / "..1" / "web.env").write_text("of no interest any more")
    assert not await is_hinted(watched)


async def test_one_that_is_missing_is_followed_once_it_is_there(watched: WatchedDirectory, tmp_path: Path) -> None:
    file = tmp_path / "later" / "web.env"
    await follow(watched, file)
    await expect_hint(watched, file.parent.mkdir)
    await expect_hint(watched, lambda: file.write_text("A=1\n"))
    await expect_hint(watched, lambda: file.write_text("A=2\n"))


async def test_two_names_of_one_file(watched: WatchedDirectory, file: Path) -> None:
    other = file.with_name("other.env")
    os.link(file, other)
    watched.watch_also([], [f"{file}", f"{other}"])
    with trio.fail_after(GUARD):
        await watched.wait_changed()
    await settle(watched)
    await expect_hint(watched, lambda: other.write_text("A=2\n"))
    await expect_hint(watched, other.unlink)
    await expect_hint(watched, lambda: file.write_text("A=3\n"))


async def test_what_is_given_up_is_no_hint(watched: WatchedDirectory, file: Path) -> None:
    await follow(watched, file)
    watched.watch_also([])
    with trio.fail_after(GUARD):
        await watched.wait_changed()
    await settle(watched)
    file.write_text("A=2\n")
    assert not await is_hinted(watched)
