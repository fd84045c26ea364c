"""The loop that keeps a log within its bound, in virtual time."""

from itertools import pairwise

import trio
import trio.testing

from orchestrator.core.trim import MAX_LOOK, MIN_LOOK
from orchestrator.ports import DiskFailed, LogBusy, OutsideError
from orchestrator.tasks.trim import trim_log

BOUND = 1000


class FakeLog:
    """A log as a number of bytes. ``refusals`` are raised by the next drops, one each; ``looks`` are the times at which
    its size was asked for."""

    def __init__(self) -> None:
        self.held = 0
        self.refusals: list[OutsideError] = []
        self.looks: list[float] = []
        self.drops: list[int] = []
        self.written = 0
        self.marks: list[tuple[float, int]] = []
        """As the real log has them: the time and all that was ever written, if that is more than before."""
        self._written = trio.Event()

    def write(self, count: int) -> None:
        """What the application does."""
        self.held += count
        self.written += count
        self._written.set()

    def arm(self) -> None:
        self._written = trio.Event()

    async def wait_modified(self) -> None:
        await self._written.wait()

    def size(self) -> int:
        self.looks.append(trio.current_time())
        return self.held

    async def drop_head(self, keep: int) -> int:
        await trio.lowlevel.checkpoint()
        if self.refusals:
            raise self.refusals.pop(0)
        dropped, self.held = self.held - keep, keep
        self.drops.append(dropped)
        return dropped

    def mark(self) -> None:
        if not self.marks or self.marks[-1][1] != self.written:
            self.marks.append((trio.current_time(), self.written))


def ignore(message: str) -> None:
    """For tests in which nothing is to be warned of."""
    raise AssertionError(message)


async def test_nothing_ticks_while_nothing_is_written(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    log = FakeLog()
    nursery.start_soon(trim_log, log, ignore, BOUND)
    await trio.testing.wait_all_tasks_blocked()
    looks = len(log.looks)
    await trio.sleep(10 * 86400)
    assert len(log.looks) == looks
    log.write(1)
    await trio.sleep(MAX_LOOK + 1)
    looks = len(log.looks)
    await trio.sleep(10 * 86400)
    assert len(log.looks) == looks
    assert log.drops == []


async def test_a_log_that_is_too_long_at_first_is_cut_at_once(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    log = FakeLog()
    log.held = 5000
    nursery.start_soon(trim_log, log, ignore, BOUND)
    await trio.testing.wait_all_tasks_blocked()
    assert (log.held, log.drops) == (500, [4500])


async def test_a_slow_writer_is_looked_at_in_long_turns(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    log = FakeLog()
    nursery.start_soon(trim_log, log, ignore, 10_000_000)
    for _ in range(1000):
        await trio.sleep(0.1)
        log.write(10)
    assert len(log.looks) <= 4 * 100 / MAX_LOOK + 4


async def test_a_quick_writer_passes_the_bound_by_little(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    log = FakeLog()
    nursery.start_soon(trim_log, log, ignore, BOUND)
    highest = 0
    for _ in range(1000):
        await trio.sleep(0.01)
        log.write(10)
        highest = max(highest, log.held)
    assert log.drops
    assert highest <= BOUND + 2 * 1000 * MIN_LOOK


async def test_a_write_between_the_look_and_the_arming_is_not_missed(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Racing(FakeLog):
        def arm(self) -> None:
            self.held += 2000 if self.looks and not self.drops else 0
            super().arm()

    log = Racing()
    nursery.start_soon(trim_log, log, ignore, BOUND)
    await trio.testing.wait_all_tasks_blocked()
    log.write(1)
    await trio.sleep(MAX_LOOK + 2)
    assert log.held == 500


async def test_a_reader_in_the_way_is_waited_for(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    log = FakeLog()
    log.held = 5000
    log.refusals = [LogBusy("busy")] * 5
    nursery.start_soon(trim_log, log, ignore, BOUND)
    await trio.sleep(60)
    assert log.held == 500


async def test_a_refusal_is_told_once_and_tried_again_after_the_next_write(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    log = FakeLog()
    log.held = 5000
    log.refusals = [DiskFailed("no"), DiskFailed("no")]
    told: list[str] = []
    nursery.start_soon(trim_log, log, told.append, BOUND)
    for _ in range(2):
        await trio.sleep(60)
        assert told == ["no"]
        log.write(1)
    await trio.sleep(60)
    assert told == ["no"]
    assert log.held == 500


async def test_what_follows_a_pause_begins_with_a_mark(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    log = FakeLog()
    nursery.start_soon(trim_log, log, ignore, BOUND)
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()
    for _ in range(3):
        log.write(10)
        await trio.sleep(3600)
    assert [position for _, position in log.marks] == [0, 10, 20, 30]
    for number, (at, _) in enumerate(log.marks[1:]):
        assert at - (began + number * 3600) <= MAX_LOOK + MIN_LOOK + 0.1, "before the next burst, by far"


async def test_of_steady_writing_little_lies_between_two_marks(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    log = FakeLog()
    nursery.start_soon(trim_log, log, ignore, 10_000_000)
    for _ in range(1000):
        await trio.sleep(0.1)
        log.write(1)
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(log.marks)]
    assert gaps
    assert max(gaps) <= 2 * (MAX_LOOK + MIN_LOOK)


async def test_what_was_written_last_is_marked_at_the_end(autojump_clock: trio.testing.MockClock) -> None:
    log = FakeLog()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trim_log, log, ignore, BOUND)
        await trio.testing.wait_all_tasks_blocked()
        log.write(10)
        nursery.cancel_scope.cancel()
    assert log.marks[-1][1] == 10


async def test_a_mark_that_cannot_be_written_is_told_once_and_stops_nothing(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Unmarkable(FakeLog):
        def mark(self) -> None:
            raise DiskFailed("no marks")

    log = Unmarkable()
    told: list[str] = []
    nursery.start_soon(trim_log, log, told.append, BOUND)
    for _ in range(3):
        log.write(5000)
        await trio.sleep(60)
        assert log.held == 500
    assert told == ["no marks"]


async def test_a_mark_that_somebody_is_in_the_way_of_is_made_by_a_later_look(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    class Held(FakeLog):
        busy = True

        def mark(self) -> None:
            if self.busy:
                raise LogBusy("held")
            super().mark()

    log = Held()
    nursery.start_soon(trim_log, log, ignore, BOUND)
    log.write(5000)
    await trio.sleep(60)
    assert (log.held, log.marks) == (500, [])
    log.busy = False
    log.write(10)
    await trio.sleep(60)
    assert [position for _, position in log.marks] == [5010]
