"""Runs the programs that are plugin kinds for what they contribute. What they print is read by
`orchestrator.core.exec_wire`. Floor: system.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping

import trio
from attrs import frozen

from orchestrator.core.exec_kind import last_line, make_environment
from orchestrator.model.exec_plugin import Command
from orchestrator.model.facts import ExecAnswer, ExecQuestion
from orchestrator.system.reaper import Children
from orchestrator.system.runtime_output import open_scratch
from orchestrator.system.spawn import run_command

PATIENCE = 5.0
"""Seconds that a program may take to say something; then it is killed, with its process group."""

AGAIN_AFTER = 30.0
"""Seconds until one that took too long, or that asks to be asked again, is asked again."""

AGAIN_AT_MOST = 16
"""Times as long for one that takes too long again and again: each time holds up a look at the directory."""

AT_A_TIME = 4
"""Programs that run beside each other."""

MOST_OUTPUT = 1 << 20
"""Bytes that a program may print."""

MOST_REMEMBERED = 4096
"""Answers that are remembered; the oldest is asked for again."""

TRY_AGAIN_LATER = 11
"""The code of a program that is not ready yet, as of CNI's plugins."""

LARGEST_PROGRAM = 1 << 28
"""Bytes of the largest file that is read to know whether it is still the same."""


@frozen
class _Held:
    """A failure that is not tried again before a time."""

    answer: ExecAnswer
    until: float
    """trio's clock."""


class Programs:
    """Asks programs, a few at a time, and remembers what they answered. One task at a time may use it."""

    def __init__(
        self, children: Children, environ: Mapping[str, str], *, patience: float = PATIENCE, again: float = AGAIN_AFTER
    ) -> None:
        """children: of a process that reaps its orphans. patience, again: as `PATIENCE` and `AGAIN_AFTER`."""
        self._children = children
        self._environ = environ
        self._patience = patience
        self._again = again
        self._answers: dict[ExecQuestion, ExecAnswer] = {}
        self._held: dict[ExecQuestion, _Held] = {}
        self._held_anew = trio.Event()
        self._hung: dict[tuple[str, str], int] = {}
        """How often each program took too long, one after the other."""

    async def ask(self, questions: Iterable[ExecQuestion]) -> dict[ExecQuestion, ExecAnswer]:
        """The answer to each. What has succeeded once is not run again; what took too long, or is to be asked later,
        not before its time. Cancellation-safe."""
        asked = tuple(dict.fromkeys(questions))
        now = trio.current_time()
        answers = {each: self._answers[each] for each in asked if each in self._answers}
        answers |= {each: held.answer for each in asked if (held := self._held.get(each)) and now < held.until}
        places = trio.CapacityLimiter(AT_A_TIME)

        hung: set[str] = set()

        async def ask(question: ExecQuestion) -> None:
            async with places:
                if question.path in hung:  # whoever hangs is not waited for once for each who uses it
                    answers[question] = self._hold(question, self._describe_hung(question))
                    return
                answers[question] = self._note(question, await self._ask_one(question))
                if answers[question] == self._describe_hung(question):
                    hung.add(question.path)

        async with trio.open_nursery() as nursery:
            for each in asked:
                if each not in answers:
                    nursery.start_soon(ask, each)
        return answers

    def forget(self) -> None:
        """Ask all of them anew: somebody says that the host is another."""
        self._answers.clear()
        self._held.clear()
        self._hung.clear()

    async def wait_news(self) -> None:
        """Wait until one that was not to be asked again so soon may be. Cancellation-safe."""
        while True:
            due = min((held.until for held in self._held.values()), default=math.inf)
            with trio.CancelScope(deadline=due) as waiting:
                await self._held_anew.wait()
                self._held_anew = trio.Event()
            if waiting.cancelled_caught:
                self._held = {each: held for each, held in self._held.items() if held.until > trio.current_time()}
                return

    def _note(self, question: ExecQuestion, answer: ExecAnswer) -> ExecAnswer:
        program = (question.path, question.digest)
        if answer == self._describe_hung(question):
            self._hung[program] = self._hung.get(program, 0) + 1
        else:
            self._hung.pop(program, None)
        if answer.code == 0:
            self._answers[question] = answer
            while len(self._answers) > MOST_REMEMBERED:
                del self._answers[next(iter(self._answers))]
        elif answer.code is None or _wants_time(answer):
            self._hold(question, answer)
        return answer

    def _hold(self, question: ExecQuestion, answer: ExecAnswer) -> ExecAnswer:
        times = min(2 ** max(0, self._hung.get((question.path, question.digest), 0) - 1), AGAIN_AT_MOST)
        self._held[question] = _Held(answer, trio.current_time() + self._again * times)
        self._held_anew.set()
        return answer

    def _describe_hung(self, question: ExecQuestion) -> ExecAnswer:
        return ExecAnswer(None, detail=f"{question.path} took longer than {self._patience:g} s")

    async def _ask_one(self, question: ExecQuestion) -> ExecAnswer:
        try:
            digest = await trio.to_thread.run_sync(digest_program, question.path, abandon_on_cancel=True)
            if digest != question.digest:
                return ExecAnswer(None, detail=f"{question.path} is another than it was a moment ago")
            with open_scratch(question.request.encode()) as given, open_scratch() as output, open_scratch() as errors:
                result = await run_command(
                    [question.path],
                    children=self._children,
                    env=make_environment(Command(question.command), self._environ.get("PATH")),
                    deadline=self._patience,
                    stdin=given,
                    stdout=output,
                    stderr=errors,
                )
                said, complained = os.pread(output, MOST_OUTPUT + 1, 0), os.pread(errors, MOST_OUTPUT, 0)
        except OSError as error:
            return ExecAnswer(None, detail=f"cannot run {question.path}: {(error.strerror or str(error)).lower()}")
        if result.timed_out:
            return self._describe_hung(question)
        if len(said) > MOST_OUTPUT:
            return ExecAnswer(None, detail=f"{question.path} printed more than {MOST_OUTPUT >> 20} MiB")
        code = result.code if result.code is not None else 128 + (result.signal or 0)
        return ExecAnswer(code, said.decode(errors="replace"), last_line(complained))


def _wants_time(answer: ExecAnswer) -> bool:
    """Whether a program says that it is to be asked later: by how it ends, or by what it prints."""
    if answer.code == TRY_AGAIN_LATER:
        return True
    try:
        said = json.loads(answer.output)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("code") == TRY_AGAIN_LATER


def digest_program(path: str) -> str:
    """The SHA-256 of what a program is, in hexadecimal. Raises OSError."""
    with open(path, "rb") as file:
        digest, left = hashlib.sha256(), LARGEST_PROGRAM
        while left > 0 and (piece := file.read(1 << 20)):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()
