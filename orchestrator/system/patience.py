"""Ends foreign code that does not come back: `orchestrator.core.foreign.Patience`, with a timer of the process.

A kind is asked in the thread that the loop runs in, so that it sees one state of the world and costs nothing. When its
time is over, SIGALRM is handled there: the handler raises in the midst of whatever runs (signal(7): a system call that
blocks is interrupted). What it cannot end is C code that neither returns nor looks for signals. Floor: system.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import FrameType, TracebackType
from typing import Any, NoReturn, TextIO

from orchestrator.core.foreign import OutOfPatience

CALL = 2.0
"""Seconds for one question to a kind, or to make one."""

IMPORT = 5.0
"""Seconds to load a plugin, with all that it imports."""

AGAIN = 0.25
"""Seconds from one ring to the next: code may catch all there is, or may not have had the processor for its time."""

MOST_TIMES = 3
"""Times that a kind may not come back, before no definition asks it any more."""

BUILTIN = frozenset({"orchestrator_mounts", "orchestrator_networks", "orchestrator_presets"})
"""The packages of the built-in kinds, which are not waited for: to set a timer takes longer than most of them do."""

AT_MOST = 10
"""Times its seconds that code may take which is hardly let run."""


class Deadline:
    """A context manager that raises OutOfPatience in its body after some seconds. For the main thread; in another it
    does nothing, since there a signal interrupts nobody. They may be nested: within the inner one the outer one's time
    stands still. What the body prints goes to stderr: stdout is the command's own.

    On a machine that is busy with other things, code that runs has half of its seconds of the processor all the same.
    """

    def __init__(self, seconds: float, when_over: Callable[[], None] = lambda: None) -> None:
        self._seconds = seconds
        self._when_over = when_over
        self._is_main = threading.current_thread() is threading.main_thread()
        self._handler: Any = None
        self._timer = (0.0, 0.0)
        self._stdout: TextIO = sys.stdout
        self._began = self._began_cpu = 0.0
        self._waited: float | None = None
        self._over = False
        self._caller: FrameType | None = None
        self._trace: Any = None
        self._on_interrupt: Any = None
        self._interrupted = False

    def __enter__(self) -> None:
        if self._is_main:
            self._stdout, sys.stdout = sys.stdout, sys.stderr
            self._caller = sys._getframe(1)
            self._on_interrupt = signal.getsignal(signal.SIGINT)
            if self._on_interrupt is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._interrupt)
            self._began, self._began_cpu = time.monotonic(), time.thread_time()
            self._handler = signal.signal(signal.SIGALRM, self._ring)
            self._timer = signal.setitimer(signal.ITIMER_REAL, self._seconds, AGAIN)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Until it is stopped, the timer may ring here too: `_ring` looks whom it interrupts.
        if self._is_main:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, self._handler if self._handler is not None else signal.SIG_DFL)
            sys.stdout = self._stdout
            if self._over:
                sys.settrace(self._trace)
            if self._on_interrupt is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._on_interrupt)
            self._caller = None
            if self._timer[0]:
                signal.setitimer(signal.ITIMER_REAL, *self._timer)
            if isinstance(error, KeyboardInterrupt) and not self._interrupted:
                # Nobody has pressed Ctrl-C: it is an exception of that code's like any other.
                raise RuntimeError("it raised KeyboardInterrupt").with_traceback(trace) from None

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code is Deadline.__exit__.__code__:
            return
        waited, before = read_waiting(), self._waited
        self._waited = waited
        has_run = time.thread_time() - self._began_cpu >= self._seconds / 2
        sleeps = before is not None and waited - before < AGAIN / 2
        if has_run or sleeps or time.monotonic() - self._began > self._seconds * AT_MOST:
            self._when_over()
            if self._over:
                self._trip(frame)
            else:
                self._over, self._trace = True, sys.gettrace()
            raise self._give_up()

    def _give_up(self) -> OutOfPatience:
        return OutOfPatience(f"took longer than {self._seconds:g} s")

    def _trip(self, frame: FrameType | None) -> None:
        """What was raised before has been caught: so it is raised once more at the next line that is run, which is
        where it is caught, and from there it goes on."""

        def raise_again(_frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401 - as sys.settrace
            if event == "line":
                raise self._give_up()
            return raise_again

        while frame is not None and frame is not self._caller:
            frame.f_trace = raise_again
            frame = frame.f_back
        sys.settrace(lambda *_: None)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Somebody has pressed Ctrl-C."""
        self._interrupted = True
        signal.default_int_handler(number, frame)


class KindPatience:
    """Waits a while for each call of a kind. What has not come back is not called again; nor is any of its class, once
    that has happened a few times: so the loop is held up for a bounded time by each kind, however many use it."""

    def __init__(self, seconds: float = CALL) -> None:
        self._seconds = seconds
        self._hung: dict[type[Any], list[object]] = {}

    def __call__(self, kind: object) -> AbstractContextManager[None]:
        """See `orchestrator.core.foreign.Patience`."""
        cls = kind if isinstance(kind, type) else type(kind)
        if cls.__module__.partition(".")[0] in BUILTIN:
            return nullcontext()
        hung = self._hung.get(cls, [])
        if len(hung) >= MOST_TIMES or any(each is kind for each in hung if kind is not cls):
            return _Refusal(self._seconds)
        return Deadline(self._seconds, partial(self._note, cls, kind))

    def forget(self) -> None:
        """Ask all again."""
        self._hung.clear()

    def _note(self, cls: type[Any], kind: object) -> None:
        self._hung.setdefault(cls, []).append(kind)


class _Refusal:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> NoReturn:
        raise OutOfPatience(
            f"took longer than {self._seconds:g} s before, and is not asked again until it is another or a reload"
        )

    def __exit__(self, *raised: object) -> None:
        """Nothing was begun."""


def read_waiting() -> float:
    """Seconds for which this thread was ready to run and had no processor; 0 where the kernel does not say
    (Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat")."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
