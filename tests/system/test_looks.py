"""Looks that may hang: what is not touched while something hangs, and when it is looked at again."""

import threading
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from orchestrator.system import looks as looks_module
from orchestrator.system.looks import Looks
from orchestrator.system.mountinfo import MountLine
from orchestrator.system.steps import NoAnswer, Steps, finish

GUARD = 10.0
SOON = 0.02
ROOT = MountLine("1:1", "/", "ext4", (), 1, 0)


class Host:
    """What is looked at, path by path: some hang until a test lets them go."""

    def __init__(self) -> None:
        self.held: dict[str, threading.Event] = {}
        self.touched: list[str] = []
        self.mounts = [ROOT]
        self.news = 0

    def hold(self, *paths: str) -> None:
        self.held |= {path: threading.Event() for path in paths}

    def let_go(self) -> None:
        for event in self.held.values():
            event.set()
        self.held = {}

    def look(self, *paths: str) -> Steps[list[str]]:
        """Those that answer."""
        found = []
        for path in paths:
            try:
                yield path
                self.touched.append(path)
                if path in self.held:
                    self.held[path].wait()
                found.append(path)
            except NoAnswer:
                continue
        return found

    def note_news(self) -> None:
        self.news += 1


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host()
    monkeypatch.setattr(looks_module, "read_mounts", lambda: tuple(host.mounts))
    yield host
    host.let_go()


async def wait_news(host: Host) -> None:
    before = host.news
    host.let_go()
    with trio.fail_after(GUARD):
        while host.news == before:  # noqa: ASYNC110 - it is a count
            await trio.sleep(0.001)


async def test_what_hangs_is_left_out_and_touched_once(host: Host) -> None:
    looks = Looks[list[str]](host.note_news, SOON)
    host.hold("/b")
    for _ in range(3):
        assert await looks.take(lambda: host.look("/a", "/b", "/b/below", "/bc")) == ["/a", "/bc"]
    assert host.touched.count("/b") == 1
    assert "/b/below" not in host.touched
    await wait_news(host)
    assert await looks.take(lambda: host.look("/a", "/b", "/b/below", "/bc")) == ["/a", "/b", "/b/below", "/bc"]


async def test_all_of_a_mount_is_left_out(host: Host) -> None:
    host.mounts += [MountLine("0:2", "/net", "nfs4", (), 2, 1), MountLine("0:3", "/net/other", "nfs4", (), 3, 2)]
    looks = Looks[list[str]](host.note_news, SOON)
    host.hold("/net/a", "/net/b")
    paths = ("/net", "/net/a", "/net/b", "/net/other/c", "/netx")
    # What is mounted below it cannot be come to either.
    assert await looks.take(lambda: host.look(*paths)) == ["/netx"]
    assert "/net/b" not in host.touched


async def test_a_mount_in_place_of_one_that_hangs_is_looked_at(host: Host) -> None:
    host.mounts.append(MountLine("0:2", "/net", "nfs4", (), 2, 1))
    looks = Looks[list[str]](host.note_news, SOON)
    host.hold("/net/a")
    assert await looks.take(lambda: host.look("/net/a")) == []
    host.held.clear()  # not for the one that waits
    assert await looks.take(lambda: host.look("/net/a")) == []
    host.mounts[1] = MountLine("0:2", "/net", "nfs4", (), 7, 1)
    assert await looks.take(lambda: host.look("/net/a")) == ["/net/a"]


async def test_one_that_gets_on_is_waited_for(host: Host) -> None:
    slow = threading.Event()  # never set

    def look() -> Steps[int]:
        for number in range(20):
            yield f"/{number}"
            slow.wait(SOON)
        return number

    assert await Looks[int](host.note_news, 20 * SOON).take(look) == 19


async def test_what_was_left_behind_takes_no_further_step(host: Host) -> None:
    looks = Looks[list[str]](host.note_news, SOON)
    host.hold("/b")
    assert await looks.take(lambda: host.look("/b", "/c")) == ["/c"]
    await wait_news(host)
    assert host.touched == ["/b", "/c"]


async def test_a_look_after_a_cancelled_one_waits_for_that(host: Host) -> None:
    looks = Looks[list[str]](host.note_news, GUARD)
    host.hold("/a")
    with trio.move_on_after(SOON):
        await looks.take(lambda: host.look("/a", "/b"))
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def look() -> None:
            assert await looks.take(lambda: host.look("/c")) == ["/c"]

        await trio.testing.wait_all_tasks_blocked()
        assert host.touched == ["/a"]
        host.let_go()
    assert host.touched == ["/a", "/c"]
    assert host.news == 0


async def test_what_a_look_raises_is_raised(host: Host) -> None:
    def look() -> Steps[None]:
        yield "/a"
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        await Looks[None](host.note_news).take(look)


def test_without_a_thread_it_is_done_here(host: Host) -> None:
    assert finish(host.look("/a", "/b")) == ["/a", "/b"]
