"""Asking what may never answer: a file system can be slow, or gone, and then a thread that looks at it hangs.

Questions are asked one after the other in a thread. One that gets no answer is left behind with its thread, and is not
asked again until that thread has come back; the others go on without it. What is asked, and how, is for
`orchestrator.system.facts`. Floor: system.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from orchestrator.model.facts import (
    DeviceAnswer,
    DigestAnswer,
    FolderAnswer,
    PathAnswer,
    Question,
    StampAnswer,
    TextsAnswer,
)
from orchestrator.model.store import ClosureAnswer

if TYPE_CHECKING:
    from outcome import Outcome

Answer = (
    PathAnswer | DeviceAnswer | DigestAnswer | ClosureAnswer | StampAnswer | FolderAnswer | TextsAnswer | str | None
)

WHOLE_PATIENCE = 5.0
"""Seconds that all questions of a time may take together."""
ONE_PATIENCE = 1.0
"""Seconds after which one question is left behind: more than a disk at work takes, less than one that must spin up."""


class Inquiry:
    """Asks questions, and remembers which are without an answer still."""

    def __init__(
        self, look: Callable[[Question], Answer], *, whole: float = WHOLE_PATIENCE, one: float = ONE_PATIENCE
    ) -> None:
        """look: answers a question, in a thread. whole, one: as `WHOLE_PATIENCE` and `ONE_PATIENCE`."""
        self._look = look
        self._whole = whole
        self._one = one
        self._stuck: set[Question] = set()
        self._news = trio.Event()

    async def ask(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        """The answers; a question that got none is missing. A cancel leaves the thread to itself."""
        todo = [question for question in dict.fromkeys(questions) if question not in self._stuck]
        answers: dict[Question, Answer] = {}
        with trio.move_on_after(self._whole):
            while todo:
                todo = await self._ask_until_stuck(todo, answers)
        if any(question not in answers and question not in self._stuck for question in todo):
            # Nobody is at these: the next time they are asked without what hung before them.
            self._news.set()
        return answers

    async def wait_news(self) -> None:
        """Wait until what had no answer may have one now. Cancellation-safe."""
        await self._news.wait()
        self._news = trio.Event()

    async def _ask_until_stuck(self, questions: list[Question], answers: dict[Question, Answer]) -> list[Question]:
        """Ask them in order; returns those that come after one that gets no answer."""
        errand = _Errand(questions, self._look)
        token = trio.lowlevel.current_trio_token()

        def deliver(result: "Outcome[None]") -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(self._come_back, errand, result)

        trio.lowlevel.start_thread_soon(errand.run, deliver)
        position = -1
        try:
            while not errand.back.is_set() and position != errand.position:
                position = errand.position
                with trio.move_on_after(self._one):
                    await errand.back.wait()
        finally:
            errand.part()
            answers.update(errand.answers)
            if errand.stuck is not None:
                self._stuck.add(errand.stuck)
        return questions[errand.position + 1 :]

    def _come_back(self, errand: "_Errand", result: "Outcome[None]") -> None:
        result.unwrap()  # looking raises nothing, so this would be a defect
        errand.back.set()
        if errand.stuck is not None:
            self._stuck.discard(errand.stuck)
            self._news.set()


class _Errand:
    """A thread's way through questions, until it has answered all, or is parted from."""

    def __init__(self, questions: Sequence[Question], look: Callable[[Question], Answer]) -> None:
        self._questions = questions
        self._look = look
        self._lock = threading.Lock()
        self._parted = False
        self._done = False
        self.answers: dict[Question, Answer] = {}
        self.position = 0
        """Of the question that is being asked."""
        self.stuck: Question | None = None
        """The question that it was left behind with."""
        self.back = trio.Event()
        """It has come back. Set by the event loop."""

    def run(self) -> None:
        """In the thread."""
        for position, question in enumerate(self._questions):
            with self._lock:
                if self._parted:
                    return
                self.position = position
            answer = self._look(question)
            with self._lock:
                if self._parted:
                    return
                self.answers[question] = answer
        with self._lock:
            self._done = True

    def part(self) -> None:
        """From now on nothing of it changes."""
        with self._lock:
            self._parted = True
            if not self._done:
                self.stuck = self._questions[self.position]
