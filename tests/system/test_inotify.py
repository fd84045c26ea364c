"""The inotify instance: events, refusals, and the traps of the library behind it."""
# ruff: noqa: ASYNC230 - what the tests do to files is done at once, and the loop waits for it

import os
from pathlib import Path

import pytest
import trio
import trio.testing

from orchestrator.system.inotify import Inotify, Mask, NoWatchesLeft
from tests.system.helpers_inotify import limited

ALL = Mask.CREATE | Mask.DELETE | Mask.MODIFY | Mask.CLOSE_WRITE | Mask.MOVED_FROM | Mask.MOVED_TO | Mask.DELETE_SELF


async def test_events_carry_watch_name_and_kind(tmp_path: Path) -> None:
    with Inotify() as inotify:
        watch = inotify.add(str(tmp_path), ALL)
        (tmp_path / "a").write_text("x")
        (tmp_path / "a").rename(tmp_path / "b")
        with trio.fail_after(5):
            events = await inotify.wait()
    assert [(event.watch, event.name, event.mask) for event in events] == [
        (watch, "a", Mask.CREATE),
        (watch, "a", Mask.MODIFY),
        (watch, "a", Mask.CLOSE_WRITE),
        (watch, "a", Mask.MOVED_FROM),
        (watch, "b", Mask.MOVED_TO),
    ]


async def test_a_rename_wakes_a_task_that_waits(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with Inotify() as inotify:
        inotify.add(str(tmp_path), Mask.MOVED_TO)
        async with trio.open_nursery() as nursery:
            seen: list[str] = []

            async def wait() -> None:
                seen.extend(event.name for event in await inotify.wait())

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            (tmp_path / "a").rename(tmp_path / "b")
    assert seen == ["b"]


async def test_a_cancelled_wait_takes_nothing(tmp_path: Path) -> None:
    with Inotify() as inotify:
        inotify.add(str(tmp_path), Mask.CREATE)
        with trio.move_on_after(0):
            await inotify.wait()
        (tmp_path / "a").touch()
        with trio.CancelScope() as scope:
            scope.cancel()
            await inotify.wait()
        assert [event.name for event in inotify.drain()] == ["a"]
        assert inotify.drain() == ()


async def test_closing_ends_a_wait(tmp_path: Path) -> None:
    inotify = Inotify()
    inotify.add(str(tmp_path), Mask.CREATE)
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await inotify.wait()

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        inotify.close()
        inotify.close()


def test_close_closes_its_own_descriptor_only_once() -> None:
    inotify = Inotify()
    inotify.close()
    other = os.open("/dev/null", os.O_RDONLY)  # most likely the same number
    inotify.close()
    os.close(other)


def list_inotify_descriptors() -> set[int]:
    """Those of this process."""
    numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    return {
        number
        for number in numbers
        if os.path.lexists(f"/proc/self/fd/{number}") and "inotify" in os.readlink(f"/proc/self/fd/{number}")
    }


def test_the_descriptor_is_not_inherited_and_does_not_block() -> None:
    before = list_inotify_descriptors()
    with Inotify():
        (number,) = list_inotify_descriptors() - before
        assert not os.get_inheritable(number)
        assert not os.get_blocking(number)
    assert list_inotify_descriptors() == before


def test_a_path_that_cannot_be_watched_is_an_oserror_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Inotify() as inotify:
        with pytest.raises(FileNotFoundError):
            inotify.add(str(tmp_path / "missing"), Mask.CREATE)
        (tmp_path / "file").touch()
        with pytest.raises(NotADirectoryError):
            inotify.add(str(tmp_path / "file"), Mask.CREATE | Mask.ONLYDIR)
        with pytest.raises(OSError, match="multibyte"):
            inotify.add(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9"), Mask.CREATE)
        inotify.remove(12345)
    assert capfd.readouterr() == ("", "")


async def test_a_removed_watch_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Inotify() as inotify:
        watch = inotify.add(str(tmp_path), Mask.CREATE)
        (tmp_path / "a").touch()
        inotify.remove(watch)
        assert inotify.drain() == ()
    assert capfd.readouterr() == ("", "")


async def test_once_means_once_and_then_the_watch_is_given_up(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.touch()
    with Inotify() as inotify:
        for _ in range(3):
            watch = inotify.add(str(file), Mask.MODIFY | Mask.ONESHOT)
            for _ in range(5):
                with file.open("a") as writer:
                    writer.write("x")
            assert [(event.watch, event.mask) for event in inotify.drain()] == [
                (watch, Mask.MODIFY),
                (watch, Mask.IGNORED),
            ]


async def test_a_folder_that_is_moved_and_removed_says_so_of_itself(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").mkdir()
    with Inotify() as inotify:
        inotify.add(str(tmp_path / "a"), Mask.MOVE_SELF | Mask.DELETE_SELF)
        (tmp_path / "a").rename(tmp_path / "b")
        (tmp_path / "b").rmdir()
        masks = [event.mask & ~Mask.ISDIR for event in inotify.drain()]
    assert masks == [Mask.MOVE_SELF, Mask.DELETE_SELF, Mask.IGNORED]
    assert capfd.readouterr() == ("", "")


async def test_a_name_that_is_not_utf8_counts_as_an_overflow(tmp_path: Path) -> None:
    with Inotify() as inotify:
        inotify.add(str(tmp_path), Mask.CREATE)
        with open(os.fsencode(tmp_path) + b"/\xe9", "w"):
            assert [event.overflow for event in inotify.drain()] == [True]
        (tmp_path / "a").touch()
        assert [event.name for event in inotify.drain()] == ["a"]


@pytest.mark.real
@pytest.mark.alone
async def test_an_overflow_is_an_event(tmp_path: Path) -> None:
    with limited("max_queued_events", 4), Inotify() as inotify:
        inotify.add(str(tmp_path), Mask.CREATE)
        for number in range(64):
            (tmp_path / str(number)).touch()
        assert inotify.drain()[-1].overflow


@pytest.mark.real
@pytest.mark.alone
@pytest.mark.parametrize("limit", ["max_user_watches", "max_user_instances"])
def test_no_watches_left_names_the_sysctl(tmp_path: Path, limit: str) -> None:
    said = rf"raise the sysctl fs\.inotify\.{limit} \(now 0\)"

    def watch() -> None:
        with Inotify() as inotify:
            inotify.add(str(tmp_path), Mask.CREATE)

    with limited(limit), pytest.raises(NoWatchesLeft, match=said):
        watch()
