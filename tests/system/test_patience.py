"""Foreign code that does not come back is ended, whatever it does, in the thread that the loop runs in."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest
import trio

from orchestrator.core.foreign import ForeignFailed, OutOfPatience, call_foreign
from orchestrator.system import patience
from orchestrator.system.patience import MOST_TIMES, Deadline, KindPatience, read_waiting

SECONDS = 0.2


def spin() -> None:
    while True:
        pass


def spin_after_an_inner_one() -> None:
    with Deadline(10):
        time.sleep(0.01)
    spin()


def catch_everything() -> None:
    while True:
        try:
            time.sleep(1)
        except BaseException:
            continue


def read_for_ever() -> None:
    end, _other = os.pipe()
    os.read(end, 1)


def lock_twice() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def search() -> None:
    re.match(r"(a+)+$", "a" * 60 + "b")


def catch_all() -> None:
    caught = 0
    while caught < 3:
        try:
            time.sleep(1000)
        except BaseException:
            caught += 1
    time.sleep(1000)


@pytest.mark.parametrize(
    "hang",
    [
        spin,
        partial(time.sleep, 1000),
        read_for_ever,
        lock_twice,
        search,
        catch_all,
        catch_everything,
        partial(subprocess.run, ["sleep", "1000"]),
    ],
)
async def test_whatever_it_does_it_is_ended(hang: Callable[[], object]) -> None:
    before = signal.getsignal(signal.SIGALRM)
    began = time.monotonic()
    with pytest.raises(OutOfPatience, match=r"took longer than 0\.2 s"), Deadline(SECONDS):
        hang()
    assert time.monotonic() - began < 5
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == before
    await trio.sleep(2 * patience.AGAIN)  # nothing rings later


async def test_it_is_ended_while_other_threads_run() -> None:
    """The signal is the process's; it is the main thread that must be woken (signal(7))."""
    async with trio.open_nursery() as nursery:
        done = threading.Event()
        for _ in range(3):
            nursery.start_soon(partial(trio.to_thread.run_sync, done.wait))
        await trio.sleep(0.05)
        with pytest.raises(OutOfPatience), Deadline(SECONDS):
            lock_twice()
        done.set()


def test_an_interrupt_that_nobody_has_sent_is_an_error_like_others() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(ForeignFailed, match=r"it raised KeyboardInterrupt \(test_patience.py, line \d+\)"):
        call_foreign(interrupt, lambda _: Deadline(10), interrupt)


def test_one_that_somebody_sends_is_none_of_the_codes() -> None:
    def wait() -> None:
        signal.raise_signal(signal.SIGINT)
        time.sleep(10)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            call_foreign(wait, lambda _: Deadline(10), wait)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_comes_back_in_time_is_not_touched() -> None:
    with Deadline(SECONDS):
        time.sleep(SECONDS / 4)
    time.sleep(SECONDS * 2)


def test_within_an_inner_one_the_time_of_the_outer_one_stands_still() -> None:
    with Deadline(SECONDS):
        with Deadline(10):
            time.sleep(SECONDS * 2)
        with pytest.raises(OutOfPatience, match=r"0\.1 s"), Deadline(0.1):
            spin()
    with pytest.raises(OutOfPatience, match=r"0\.2 s"), Deadline(SECONDS):
        spin_after_an_inner_one()


def test_what_it_prints_goes_to_the_other_stream(capsys: pytest.CaptureFixture[str]) -> None:
    with Deadline(SECONDS):
        print("a debugging aid")
    print("the answer")
    assert capsys.readouterr() == ("the answer\n", "a debugging aid\n")


def test_in_another_thread_nobody_waits() -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with Deadline(0.01):
                time.sleep(0.1)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert errors == []


def test_code_that_is_not_let_run_has_its_time_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy with other things a kind that is quick takes long by the clock."""
    waiting = iter(range(1000))
    monkeypatch.setattr(patience, "read_waiting", lambda: next(waiting) * patience.AGAIN)
    with Deadline(SECONDS):
        time.sleep(SECONDS + 2 * patience.AGAIN)
    with pytest.raises(OutOfPatience), Deadline(SECONDS):  # but not for ever
        time.sleep(1000)


def test_the_kernel_says_how_long_a_thread_waits_for_a_processor() -> None:
    before, began = read_waiting(), time.monotonic()
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * os.cpu_count())]  # type: ignore[operator]
    try:
        while read_waiting() - before < 0.01:
            assert time.monotonic() - began < 30
    finally:
        for other in others:
            other.kill()
            other.wait()


class Slow:
    """Hangs as often as it is told to."""

    def work(self) -> str:
        time.sleep(1000)
        return "never"


def test_what_has_not_come_back_is_not_asked_again_nor_after_a_few_times_any_of_its_class() -> None:
    wait = KindPatience(SECONDS)
    kinds = [Slow() for _ in range(MOST_TIMES)]
    for kind in kinds:
        with pytest.raises(ForeignFailed, match=r"took longer than 0\.2 s \(test_patience\.py, line \d+\)"):
            call_foreign(kind, wait, kind.work)
        assert_refused(kind, wait)
    assert_refused(Slow(), wait)
    wait.forget()
    assert call_foreign(kinds[0], wait, lambda: "here") == "here"


def assert_refused(kind: Slow, wait: KindPatience) -> None:
    began = time.monotonic()
    with pytest.raises(ForeignFailed, match="before, and is not asked again") as caught:
        call_foreign(kind, wait, lambda: "here")
    assert caught.value.lasting
    assert time.monotonic() - began < SECONDS
