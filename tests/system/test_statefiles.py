"""State files on a disk that is full: a spare keeps room for one at a time."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from orchestrator.system.statefiles import TRY_AGAIN_AFTER, StateFiles

pytestmark = pytest.mark.real
"""A file system of its own is mounted, which needs root."""

OLD, NEW = b"old" * 30, b"new" * 30
LARGE = bytes(20_000)
"""More than the spare has room for."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tests", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


async def test_what_stands_there_is_replaced_and_what_is_new_waits(folder: Path, autojump_clock: MockClock) -> None:
    files, told = StateFiles(str(folder)), list[str]()
    stands, new = folder / "stands", folder / "new"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(files.try_again_for_ever, told.append)
        await trio.sleep(1)
        files.write(str(stands), OLD)
        fill(folder)
        for data in (NEW, OLD, NEW):
            files.write(str(stands), data)
            assert stands.read_bytes() == data
        with pytest.raises(OSError, match="No space left"):
            files.write(str(new), NEW)
        await trio.sleep(1)
        assert told == [f"cannot write to {folder}: No space left on device; what status shows may be old"]
        (folder / "filler").unlink()
        await trio.sleep(TRY_AGAIN_AFTER + 1)
        assert (told[1:], new.read_bytes()) == ([""], NEW)
        nursery.cancel_scope.cancel()
    assert sorted(os.listdir(folder)) == ["new", "stands"], "the spare goes with the agent"


async def test_one_that_is_too_large_costs_the_others_nothing(folder: Path, autojump_clock: MockClock) -> None:
    files, told = StateFiles(str(folder)), list[str]()
    stands, large = folder / "stands", folder / "large"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(files.try_again_for_ever, told.append)
        await trio.sleep(1)
        files.write(str(stands), OLD)
        files.write(str(large), OLD)
        fill(folder)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                files.write(str(large), LARGE)
            assert large.read_bytes() == OLD
            files.write(str(stands), NEW)
            assert stands.read_bytes() == NEW
        (folder / "filler").unlink()
        await trio.sleep(TRY_AGAIN_AFTER + 1)
        assert (told[-1], large.read_bytes()) == ("", LARGE)
        nursery.cancel_scope.cancel()


async def test_what_is_not_to_be_any_more_is_not_written_later(folder: Path, autojump_clock: MockClock) -> None:
    files, told = StateFiles(str(folder)), list[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(files.try_again_for_ever, told.append)
        await trio.sleep(1)
        fill(folder)
        with pytest.raises(OSError, match="No space left"):
            files.write(str(folder / "gone"), OLD)
        files.forget(str(folder / "gone"))
        (folder / "filler").unlink()
        await trio.sleep(TRY_AGAIN_AFTER + 1)
        assert told[-1] == ""
        nursery.cancel_scope.cancel()
    assert os.listdir(folder) == []
