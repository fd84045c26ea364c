"""The watched directory on a real file system with real inotify: every way of saving, every way of moving it."""
# ruff: noqa: ASYNC230, ASYNC240 - what the tests do to the directory is done at once, and the loop waits for it

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from orchestrator.model.source import Listing, Source
from orchestrator.system import directory as directory_module
from orchestrator.system.directory import WatchedDirectory
from orchestrator.system.inotify import OVERFLOW, Event, Inotify
from tests.system.helpers_inotify import limited

GUARD = 5.0
"""Seconds after which a test that waits for an event that never comes gives up."""


def texts(listing: Listing) -> dict[str, str | None]:
    """The texts by name."""
    assert listing.error is None
    return {source.name: source.text for source in listing.sources}


async def follow_until(watched: WatchedDirectory, done: Callable[[Listing], bool]) -> Listing:
    """Read after each change until ``done``; every step is waited for by an event."""
    with trio.fail_after(GUARD):
        while True:
            listing = await watched.read()
            if done(listing):
                return listing
            await watched.wait_changed()


async def expect_change(watched: WatchedDirectory, change: Callable[[], object], expected: dict[str, str]) -> None:
    """After a read, ``change`` is a hint, and what is read then becomes ``expected``."""
    await settle(watched)
    change()
    with trio.fail_after(GUARD):
        await watched.wait_changed()
    await follow_until(watched, lambda listing: listing.error is None and texts(listing) == expected)


async def settle(watched: WatchedDirectory) -> Listing:
    """Read; afterwards nothing is left that `wait_changed` would return for."""
    listing = await watched.read()
    assert not await is_hinted(watched)
    return listing


async def is_hinted(watched: WatchedDirectory) -> bool:
    """Whether `wait_changed` returns without anything that happens from now on."""
    with trio.CancelScope() as scope:
        # With this deadline the wait ends at its first real wait, after a round of the scheduler that takes events.
        scope.deadline = trio.current_time()
        await watched.wait_changed()
    if scope.cancelled_caught:
        return watched._take_hints()
    return True


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config directory with one definition."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "web.toml").write_text("old")
    return folder


@pytest.fixture
def watched(config: Path) -> Iterator[WatchedDirectory]:
    """That directory, watched."""
    with WatchedDirectory(str(config)) as watched:
        yield watched


async def test_reads_definitions_sorted_and_nothing_else(config: Path, watched: WatchedDirectory) -> None:
    for name in ("b.toml", "a.toml", ".hidden.toml", ".toml", "web.toml~", "4913", ".web.toml.swp", "notes.md"):
        (config / name).write_text(name)
    listing = await watched.read()
    assert listing == Listing(
        (
            Source("a", f"{config}/a.toml", "a.toml"),
            Source("b", f"{config}/b.toml", "b.toml"),
            Source("web", f"{config}/web.toml", "old"),
        )
    )
    assert watched.message == ""


async def test_what_cannot_be_read_is_said(config: Path, watched: WatchedDirectory) -> None:
    os.mkfifo(config / "fifo.toml")
    (config / "folder.toml").mkdir()
    (config / "latin.toml").write_bytes(b"a = 1\nb = '\xe9'\n")
    (config / "large.toml").write_bytes(b"#" * (64 * 1024 + 1))
    (config / "dangling.toml").symlink_to("nowhere")
    (config / "loop.toml").symlink_to("loop.toml")
    (config / "null.toml").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(config / "sock.toml"))
        listing = await watched.read()
    assert {source.name: source.error for source in listing.sources if source.text is None} == {
        "fifo": "cannot read the file: it is a FIFO, not a regular file",
        "folder": "cannot read the file: it is a folder, not a regular file",
        "latin": "cannot read the file: line 2 is not UTF-8",
        "large": "cannot read the file: it is larger than 64 KiB, the limit",
        "dangling": "cannot read the file: it is a link to nowhere, which does not exist",
        "loop": "cannot read the file: too many levels of symbolic links",
        "null": "cannot read the file: it is a device, not a regular file",
        "sock": "cannot read the file: it is a socket, not a regular file",
    }
    assert texts(listing)["web"] == "old"


async def test_a_file_without_rights_is_an_error_of_that_file(
    config: Path, watched: WatchedDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # root may read everything, so the kernel's answer is played.
    really_open = os.open

    def refuse(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == "web.toml":
            raise PermissionError(13, "Permission denied", path)
        return really_open(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
    (source,) = (await watched.read()).sources
    assert (source.text, source.error) == (None, "cannot read the file: permission denied")


async def test_a_name_that_is_not_utf8_is_shown_escaped_and_breaks_nothing(
    config: Path, watched: WatchedDirectory
) -> None:
    await settle(watched)
    with open(os.fsencode(config) + b"/a\xe9b.toml", "w") as file:
        file.write("x")
    listing = await follow_until(watched, lambda listing: len(listing.sources) == 2)
    assert listing.sources[0].name == "a\\xe9b"
    assert not await is_hinted(watched)


async def test_atomic_rename(config: Path, watched: WatchedDirectory) -> None:
    (config / ".web.toml.tmp").write_text("new")
    await expect_change(watched, lambda: (config / ".web.toml.tmp").rename(config / "web.toml"), {"web": "new"})


async def test_rename_from_elsewhere_and_away(config: Path, watched: WatchedDirectory, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new")
    await expect_change(watched, lambda: (tmp_path / "new").rename(config / "web.toml"), {"web": "new"})
    await expect_change(watched, lambda: (config / "web.toml").rename(tmp_path / "gone"), {})


async def test_truncate_and_write(config: Path, watched: WatchedDirectory) -> None:
    await expect_change(watched, lambda: (config / "web.toml").write_text("new"), {"web": "new"})


async def test_a_file_that_is_written_and_kept_open(config: Path, watched: WatchedDirectory) -> None:
    with (config / "web.toml").open("a") as file:
        file.write(" and more")
        await expect_change(watched, file.flush, {"web": "old and more"})


async def test_the_way_vim_saves(config: Path, watched: WatchedDirectory) -> None:
    def save() -> None:
        (config / "4913").touch()
        (config / "4913").unlink()
        (config / "web.toml").rename(config / "web.toml~")
        (config / "web.toml").write_text("new")
        (config / "web.toml~").unlink()

    await expect_change(watched, save, {"web": "new"})


async def test_an_editors_own_files_are_no_hint(config: Path, watched: WatchedDirectory) -> None:
    await settle(watched)
    for name in ("4913", ".web.toml.swp", "web.toml~", "#web.toml#"):
        (config / name).write_text("x")
    assert not await is_hinted(watched)


async def test_deleted_and_made_again(config: Path, watched: WatchedDirectory) -> None:
    await expect_change(watched, (config / "web.toml").unlink, {})
    await expect_change(watched, lambda: (config / "web.toml").write_text("back"), {"web": "back"})


async def test_chmod_is_a_hint(config: Path, watched: WatchedDirectory) -> None:
    await expect_change(watched, lambda: (config / "web.toml").chmod(0o600), {"web": "old"})


async def test_the_same_length_within_the_clocks_grain(config: Path, watched: WatchedDirectory) -> None:
    for text in ("aaa", "bbb", "ccc", "ddd"):
        (config / "web.toml").write_text(text)
        assert texts(await watched.read()) == {"web": text}


async def test_hints_come_together_and_last_until_the_next_read(config: Path, watched: WatchedDirectory) -> None:
    await settle(watched)
    for number in range(100):
        (config / f"c{number}.toml").write_text("x")
    with trio.fail_after(GUARD):
        await watched.wait_changed()
        await watched.wait_changed()
    assert len((await settle(watched)).sources) == 101


async def test_what_happened_before_the_first_read_is_no_reason_to_wait(watched: WatchedDirectory) -> None:
    with trio.fail_after(GUARD):
        await watched.wait_changed()


async def test_a_cancelled_read_leaves_a_hint(watched: WatchedDirectory) -> None:
    await settle(watched)
    with trio.CancelScope() as scope:
        scope.cancel()
        await watched.read()
    with trio.fail_after(GUARD):
        await watched.wait_changed()
    assert texts(await settle(watched)) == {"web": "old"}


async def test_missing_with_its_parents_then_made(tmp_path: Path) -> None:
    config = tmp_path / "a" / "b" / "config"
    with WatchedDirectory(str(config)) as watched:
        listing = await settle(watched)
        assert listing.error == f"cannot read the directory {config}: no such file or directory"
        for folder in (tmp_path / "a", tmp_path / "a" / "b", config):
            folder.mkdir()
            with trio.fail_after(GUARD):
                await watched.wait_changed()
            await settle(watched)
        await expect_change(watched, lambda: (config / "web.toml").write_text("new"), {"web": "new"})


async def test_missing_then_moved_in_whole(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "config").mkdir(parents=True)
    (tmp_path / "elsewhere" / "config" / "web.toml").write_text("new")
    with WatchedDirectory(str(tmp_path / "a" / "config")) as watched:
        await expect_change_after_error(watched, lambda: (tmp_path / "elsewhere").rename(tmp_path / "a"), "new")


async def expect_change_after_error(watched: WatchedDirectory, change: Callable[[], object], text: str) -> None:
    """The directory cannot be read; ``change`` mends that, with web.toml holding ``text``."""
    assert (await settle(watched)).error is not None
    change()
    await follow_until(watched, lambda listing: listing.error is None and texts(listing) == {"web": text})


async def test_replaced_by_rename(config: Path, watched: WatchedDirectory, tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "web.toml").write_text("new")

    def replace() -> None:
        config.rename(tmp_path / "last")
        (tmp_path / "next").rename(config)

    await expect_change(watched, replace, {"web": "new"})
    await settle(watched)
    (tmp_path / "last" / "web.toml").write_text("of no interest any more")
    assert not await is_hinted(watched)
    await expect_change(watched, lambda: (config / "web.toml").write_text("newer"), {"web": "newer"})


async def test_removed_and_made_while_someone_stands_in_it(config: Path, watched: WatchedDirectory) -> None:
    # A working directory keeps the old folder's inode, which delays DELETE_SELF for as long.
    await settle(watched)
    held = os.open(config, os.O_RDONLY | os.O_DIRECTORY)
    try:
        shutil.rmtree(config)
        await follow_until(watched, lambda listing: listing.error is not None)
        await settle(watched)
        config.mkdir()
        await expect_change(watched, lambda: write(config / "web.toml", "new"), {"web": "new"})
    finally:
        os.close(held)


def write(path: Path, text: str) -> None:
    path.write_text(text)


async def test_an_ancestor_is_moved_away_and_back(config: Path, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    config.rename(deep / "config")
    with WatchedDirectory(str(deep / "config")) as watched:
        await settle(watched)
        (tmp_path / "a").rename(tmp_path / "z")
        await follow_until(watched, lambda listing: listing.error is not None)
        await expect_change_after_error(watched, lambda: (tmp_path / "z").rename(tmp_path / "a"), "old")


async def test_a_file_in_place_of_the_directory(config: Path, watched: WatchedDirectory) -> None:
    await settle(watched)
    shutil.rmtree(config)
    config.write_text("a file")
    listing = await follow_until(watched, lambda listing: bool(listing.error and "not a dir" in listing.error))
    assert listing.error == f"cannot read the directory {config}: not a directory"
    await settle(watched)
    config.unlink()
    config.mkdir()
    await expect_change(watched, lambda: (config / "web.toml").write_text("new"), {"web": "new"})


async def test_a_way_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with WatchedDirectory(str(tmp_path / "a" / "b" / "config")) as watched:

        def mend() -> None:
            (tmp_path / "a").unlink()
            (tmp_path / "a" / "b" / "config").mkdir(parents=True)
            (tmp_path / "a" / "b" / "config" / "web.toml").write_text("new")

        await expect_change_after_error(watched, mend, "new")


def switch(link: Path, target: str) -> None:
    """Point a link elsewhere the way that never leaves it missing."""
    beside = link.with_name(f"{link.name}.next")
    beside.symlink_to(target)
    beside.rename(link)


async def test_the_directory_is_a_link_that_is_switched(config: Path, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "web.toml").write_text("two")
    (tmp_path / "link").symlink_to("config")
    with WatchedDirectory(str(tmp_path / "link")) as watched:
        listing = await watched.read()
        assert listing.sources[0].file == f"{tmp_path}/link/web.toml"
        await expect_change(watched, lambda: switch(tmp_path / "link", "two"), {"web": "two"})
        await expect_change(watched, lambda: write(tmp_path / "two" / "web.toml", "three"), {"web": "three"})
        await settle(watched)
        (config / "web.toml").write_text("of no interest any more")
        assert not await is_hinted(watched)


async def test_a_chain_of_two_links_each_switched(config: Path, tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
    (tmp_path / "third" / "web.toml").write_text("third")
    (tmp_path / "first" / "etc").symlink_to(tmp_path / "second" / "profile")
    (tmp_path / "second" / "profile").symlink_to("../config")
    with WatchedDirectory(str(tmp_path / "first" / "etc")) as watched:
        assert texts(await watched.read()) == {"web": "old"}
        await expect_change(watched, lambda: switch(tmp_path / "second" / "profile", "../third"), {"web": "third"})
        await expect_change(watched, lambda: switch(tmp_path / "first" / "etc", str(config)), {"web": "old"})


async def test_the_way_of_kubernetes(config: Path, watched: WatchedDirectory) -> None:
    (config / "web.toml").unlink()
    for version in ("..2024_1", "..2024_2"):
        (config / version).mkdir()
        (config / version / "web.toml").write_text(version)
    (config / "..data").symlink_to("..2024_1")
    (config / "web.toml").symlink_to("..data/web.toml")
    assert texts(await settle(watched)) == {"web": "..2024_1"}
    await expect_change(watched, lambda: switch(config / "..data", "..2024_2"), {"web": "..2024_2"})
    shutil.rmtree(config / "..2024_1")
    assert texts(await settle(watched)) == {"web": "..2024_2"}


async def test_the_target_of_a_link_is_edited_replaced_removed_and_back(
    config: Path, watched: WatchedDirectory, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere.toml"
    target.write_text("one")
    (config / "web.toml").unlink()
    (config / "web.toml").symlink_to(target)
    assert texts(await settle(watched)) == {"web": "one"}
    await expect_change(watched, lambda: write(target, "two"), {"web": "two"})
    (tmp_path / "three").write_text("three")
    await expect_change(watched, lambda: (tmp_path / "three").rename(target), {"web": "three"})
    await settle(watched)
    target.unlink()
    await follow_until(watched, lambda listing: listing.sources[0].error is not None)
    await expect_change(watched, lambda: write(target, "four"), {"web": "four"})


async def test_a_file_is_replaced_by_a_link_and_back(config: Path, watched: WatchedDirectory, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text("linked")
    await expect_change(watched, lambda: switch(config / "web.toml", "../elsewhere.toml"), {"web": "linked"})
    await expect_change(watched, lambda: write(tmp_path / "elsewhere.toml", "edited"), {"web": "edited"})
    (config / "plain").write_text("plain")
    await expect_change(watched, lambda: (config / "plain").rename(config / "web.toml"), {"web": "plain"})


async def test_other_paths_are_watched_too(watched: WatchedDirectory, tmp_path: Path) -> None:
    await settle(watched)
    source = tmp_path / "srv" / "data"
    watched.watch_also([str(source)])
    with trio.fail_after(GUARD):
        await watched.wait_changed()  # the paths are new: their state may have changed before they were watched
    await settle(watched)
    source.parent.mkdir()
    with trio.fail_after(GUARD):
        await watched.wait_changed()
    await settle(watched)
    source.mkdir()
    with trio.fail_after(GUARD):
        await watched.wait_changed()
    await settle(watched)
    watched.watch_also([str(source)])
    assert not await is_hinted(watched)
    (source / "file").write_text("what is inside is of no interest")
    assert not await is_hinted(watched)


async def test_an_overflow_is_a_hint_for_everything(watched: WatchedDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    await settle(watched)

    async def overflow(self: Inotify) -> tuple[Event, ...]:
        await trio.lowlevel.checkpoint()
        return (OVERFLOW,)

    monkeypatch.setattr(Inotify, "wait", overflow)
    with trio.fail_after(GUARD):
        await watched.wait_changed()


@pytest.mark.real
@pytest.mark.alone
async def test_a_real_overflow(config: Path) -> None:
    with limited("max_queued_events", 4), WatchedDirectory(str(config)) as watched:
        await settle(watched)
        for number in range(64):
            (config / f"{number}.md").write_text("fills the queue and is no definition")
        (config / "web.toml").write_text("new")
        listing = await follow_until(watched, lambda listing: texts(listing) == {"web": "new"})
        assert listing.error is None


@pytest.mark.real
@pytest.mark.alone
async def test_no_watches_left_is_said_and_looked_at_in_turns(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "LOOK_INTERVAL", 0.01)
    with WatchedDirectory(str(config)) as watched:
        with limited("max_user_watches"):
            assert texts(await watched.read()) == {"web": "old"}
            assert "fs.inotify.max_user_watches (now 0)" in watched.message
            (config / "web.toml").write_text("new")
            await follow_until(watched, lambda listing: texts(listing) == {"web": "new"})
        await follow_until(watched, lambda _: watched.message == "")
        await expect_change(watched, lambda: (config / "web.toml").write_text("newer"), {"web": "newer"})


@pytest.mark.real
@pytest.mark.alone
async def test_no_instance_left_is_said_and_looked_at_in_turns(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "LOOK_INTERVAL", 0.01)
    with WatchedDirectory(str(config)) as watched:
        with limited("max_user_instances"):
            await watched.read()
            assert "fs.inotify.max_user_instances" in watched.message
            (config / "web.toml").write_text("new")
            await follow_until(watched, lambda listing: texts(listing) == {"web": "new"})
        await follow_until(watched, lambda _: watched.message == "")


async def test_a_file_system_without_events_is_looked_at_in_turns(
    config: Path, watched: WatchedDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "LOOK_INTERVAL", 0.01)
    monkeypatch.setattr(directory_module, "name_silent_filesystem", lambda path: "NFS" if path == str(config) else "")
    await watched.read()
    assert watched.message == f"{config} is on NFS, which sends no events: looking every 0.01 s instead"
    with trio.fail_after(GUARD):
        await watched.wait_changed()  # nothing happened
    assert texts(await watched.read()) == {"web": "old"}
