"""Several who watch by one inotify instance: each hears of its own, and somebody always reads."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from orchestrator.system.inotify import Event, Mask
from orchestrator.system.logfollow import LogFollower
from orchestrator.system.sharing import Share, SharedInotify


class Watcher:
    """Watches one file and counts what it hears."""

    def __init__(self, shared: SharedInotify, path: Path, mask: Mask = Mask.MODIFY) -> None:
        self.share: Share = shared.join(self._matters)
        self.watch = self.share.add(str(path), mask)
        self.heard = 0
        self.scope = trio.CancelScope()

    async def run(self) -> None:
        """Until its scope is cancelled; then it leaves."""
        with self.share, self.scope:
            while True:
                await self.share.wait()
                self.heard += 1

    def _matters(self, event: Event) -> bool:
        return event.watch == self.watch


def count_instances() -> int:
    """How many inotify instances this process has."""
    links = Path("/proc/self/fd").iterdir()
    return sum(os.readlink(link) == "anon_inode:inotify" for link in links if link.is_symlink())


async def hear(watcher: Watcher, act: Callable[[], object]) -> None:
    """Do something, and wait until the watcher has heard of it."""
    before = watcher.heard
    act()
    with trio.fail_after(20):
        while watcher.heard == before:
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
async def test_each_hears_of_its_own_whoever_leaves(
    tmp_path: Path, nursery: trio.Nursery, order: tuple[int, ...]
) -> None:
    shared = SharedInotify()
    files = [tmp_path / str(number) for number in range(3)]
    for file in files:
        file.touch()
    watchers = [Watcher(shared, file) for file in files]
    assert count_instances() == 1
    for watcher in watchers:
        nursery.start_soon(watcher.run)
    await trio.testing.wait_all_tasks_blocked()
    left = list(range(3))
    for leaving in order:
        for number in left:
            others = [watcher.heard for watcher in watchers if watcher is not watchers[number]]
            await hear(watchers[number], partial(files[number].write_text, "x"))
            assert [watcher.heard for watcher in watchers if watcher is not watchers[number]] == others
        watchers[leaving].scope.cancel()
        left.remove(leaving)
        await trio.testing.wait_all_tasks_blocked()
    assert count_instances() == 0


async def test_all_leave_at_once_and_one_wakes_as_another_leaves(tmp_path: Path, nursery: trio.Nursery) -> None:
    shared = SharedInotify()
    file = tmp_path / "file"
    file.touch()
    watchers = [Watcher(shared, file) for _ in range(5)]
    for watcher in watchers:
        nursery.start_soon(watcher.run)
    await trio.testing.wait_all_tasks_blocked()
    for leaving in watchers[:3]:
        file.write_text("x")
        leaving.scope.cancel()
        await hear(watchers[4], lambda: file.write_text("xy"))
    for watcher in watchers[3:]:
        watcher.scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert count_instances() == 0


async def test_what_one_asks_for_is_not_taken_from_another(tmp_path: Path, nursery: trio.Nursery) -> None:
    shared = SharedInotify()
    file = tmp_path / "file"
    file.touch()
    one, other = Watcher(shared, file), Watcher(shared, file, Mask.ATTRIB)
    assert one.watch == other.watch
    nursery.start_soon(one.run)
    nursery.start_soon(other.run)
    await trio.testing.wait_all_tasks_blocked()
    await hear(one, lambda: file.write_text("x"))
    await hear(other, lambda: file.chmod(0o600))
    other.scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    await hear(one, lambda: file.write_text("xy"))
    one.scope.cancel()


async def test_many_followers_need_one_instance(tmp_path: Path, nursery: trio.Nursery) -> None:
    shared = SharedInotify()
    logs = [tmp_path / f"{number}.log" for number in range(10)]
    texts = [b""] * len(logs)
    followers = [LogFollower(str(log), None, inotify=shared) for log in logs]
    scopes = [trio.CancelScope() for _ in logs]

    async def collect(number: int) -> None:
        with followers[number], scopes[number]:
            async for piece in followers[number]:
                texts[number] += piece.data

    async def wait_for(number: int, text: bytes) -> None:
        with trio.fail_after(20):
            while texts[number] != text:
                await trio.lowlevel.checkpoint()

    for number in range(len(logs)):
        nursery.start_soon(collect, number)
    await trio.testing.wait_all_tasks_blocked()
    assert count_instances() == 1
    for number, log in enumerate(logs):
        log.write_bytes(b"one\n")
        await wait_for(number, b"one\n")
    for number, log in enumerate(logs[:-1]):
        scopes[number].cancel()
        await trio.testing.wait_all_tasks_blocked()
        log.with_suffix(".next").write_bytes(b"of nobody\n")
    logs[-1].unlink()
    logs[-1].write_bytes(b"two\n")
    await wait_for(9, b"one\ntwo\n")
    scopes[-1].cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert count_instances() == 0
