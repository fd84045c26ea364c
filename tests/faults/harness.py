"""Kills an agent again and again over a changing directory, and looks at the host after each time.

A round: the agent is told where it is to die, things are done to its containers and their files, it dies; then the
next one begins, which may be killed on its way, and when one lives all has to be as it is wished. What is done and
where the agents die follows from the seed, as far as the world allows.
"""

import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from attrs import define, field

from tests.faults.doer import Doer
from tests.faults.faulty_agent import FaultyAgent
from tests.faults.looks import Looker, at_rest, find_applications, read_accepted
from tests.faults.points import Reached, list_points
from tests.faults.rounds import Round, deal_rounds
from tests.faults.wishes import Verb, choose_deeds, first_accounts
from tests.host.agent_process import Row

AGREES_WITHIN = 60.0
"""Seconds that directory and running set may differ: the grace of a file that has vanished, and what a machine that is
busy with other things needs. No measure of anything."""


class Wrong(AssertionError):
    """Something is not as it should be, with all that there is to know of it."""


@define
class Tally:
    """What a run has done."""

    kills: Counter[str] = field(factory=Counter)
    """By where: a point's name, "at an instant", "at rest"."""
    looks: int = 0


class Harness:
    """One run. A context manager: at its end nothing of it runs."""

    def __init__(self, base: Path, seed: int, say: Callable[[str], None], runtime: str = "runc") -> None:
        """base: an empty folder."""
        self._agent = FaultyAgent(base, runtime)
        self._looker = Looker(self._agent, self._agent.marks)
        self._seed = seed
        self._say = say
        self._accounts = first_accounts()
        self._before: dict[str, Row] = {}
        self._lives_read = 0
        self._history: list[str] = []
        self._doer = Doer(self._agent, self._accounts, self._note)
        self._deaths = base / "deaths"
        """What agents have left, for who wants to know why the next one did as it did."""
        self.tally = Tally()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._agent.points.arm(None)
        self._agent.__exit__(kind, error, traceback)

    @property
    def deeds(self) -> Counter[str]:
        """How often each was done."""
        return self._doer.done

    @property
    def reached(self) -> Reached:
        """Which points were reached."""
        return self._agent.points.count()

    def run(self, kills: int) -> None:
        """Kill so many agents. Raises Wrong."""
        try:
            self._begin()
            for number, each in enumerate(deal_rounds(self._seed, kills)):
                self._note(f"round {number}: {each}")
                self._play(each, Random(f"{self._seed} {number}"))
                if number % 20 == 19:
                    self._say(f"{number + 1} of {kills} kills, {self.tally.looks} looks")
            self._live()
            self._end()
        except AssertionError as error:
            raise Wrong(self._explain(error)) from error

    def _begin(self) -> None:
        """What an agent without containers holds, and then all that the directory begins with."""
        agent = self._agent.start()
        alone = at_rest(agent)
        assert agent.ask("start", {"names": ["nobody"]}) == 404
        # One wakes the loop that answers; that of the client is closed soon.
        asked = alone + Counter({"socket:[N]": 1})
        agent.wait_until(lambda: at_rest(agent) == asked, "the client to be gone")
        self._looker.open_at_rest = {False: alone, True: asked}
        for name in self._accounts:
            self._doer.write(name)
        self._agree()

    def _end(self) -> None:
        """Nothing is left when the last file has gone."""
        for name, account in self._accounts.items():
            if account.there:
                account.edit(Verb.REMOVE)
                self._doer.write(name)
        self._agree()
        assert at_rest(self._agent) == self._looker.open_at_rest[self._agent.was_asked]
        assert self._agent.end(signal.SIGTERM) == 0
        assert find_applications(self._agent.marks) == []

    # A round

    def _play(self, each: Round, chance: Random) -> None:
        """Kill one agent. It runs before, unless the one before it is to be followed by one that dies at its start."""
        if each.at_start:
            self._die_at_start(each, chance)
        else:
            self._live()
            self._die_at_work(each, chance)

    def _die_at_work(self, each: Round, chance: Random) -> None:
        agent = self._agent
        agent.points.arm(each.plan)
        until = time.monotonic() + each.instant
        for deed in choose_deeds(self._accounts, chance, each.deeds, each.provocation, agent=True):
            if not agent.is_alive() or (each.plan is None and time.monotonic() >= until):
                break
            self._doer.do(deed)
        self._await_death(each, until)

    def _die_at_start(self, each: Round, chance: Random) -> None:
        """An agent that runs is killed first, which is not counted: nothing was under way."""
        agent = self._agent
        if agent.is_alive():
            agent.kill()
            self._note_death("at rest")
        for deed in choose_deeds(self._accounts, chance, each.deeds, each.provocation, agent=False):
            self._doer.do(deed)
        agent.points.arm(each.plan)
        agent.start(settled=False)
        self._await_death(each, time.monotonic() + each.instant)

    def _await_death(self, each: Round, until: float) -> None:
        """Let it die, where it was to; at the latest when all is as it should be."""
        agent = self._agent
        if each.plan is None:
            with suppress(Exception):
                agent.process.wait(max(until - time.monotonic(), 0))
            agent.kill()
            self._note_death("at an instant")
            return
        self._agree(or_dead=True)
        if agent.is_alive():
            agent.points.arm(None)
            agent.kill()
            self._note_death("at rest")
        else:
            assert agent.wait_end() == -signal.SIGKILL, "it ended by itself"
            self._note_death(each.plan.point)

    def _note_death(self, where: str) -> None:
        self._agent.points.arm(None)
        self.tally.kills[where] += 1
        self._note(f"killed {where}")
        self._check_survivors()
        shutil.copytree(self._agent.run, self._deaths / str(sum(self.tally.kills.values())), ignore=_all_but_states)
        for account in self._accounts.values():
            account.note_kill()

    def _live(self) -> None:
        """An agent runs, and all is as it should be."""
        if not self._agent.is_alive():
            self._agent.start(settled=False)
        self._agree()

    # Looks

    def _agree(self, *, or_dead: bool = False) -> None:
        """Wait until all is as it should be, or until the agent is dead; fails with what is not."""
        deadline = time.monotonic() + AGREES_WITHIN
        leaks: set[str] | None = None
        while True:
            if not self._agent.is_alive():
                assert or_dead, f"the agent ended by itself: {self._agent.process.returncode}"
                return
            if self._doer.pinned:
                self._doer.resume()
            wrong, found = self._look()
            if found is not None:
                # Of what crashes and of what is probed something is on its way at every look.
                leaks = found if leaks is None else leaks & found
            if not wrong and not leaks:
                break
            assert time.monotonic() < deadline, "\n".join([*wrong, *sorted(leaks or ())])
            time.sleep(0.05)
        self._check_lives()
        self.tally.looks += 1

    def _look(self) -> tuple[list[str], set[str] | None]:
        """What is wrong, and if nothing is, what may have leaked."""
        try:
            wrong = self._looker.find_wrong(self._accounts)
            if wrong:
                return wrong, None
            return [], self._looker.find_leaks(self._accounts, was_asked=self._agent.was_asked)
        except (OSError, TypeError, ValueError) as error:
            return [f"it changes: {error}"], None  # what is looked at has just gone

    def _check_survivors(self) -> None:
        """What was not touched has outlived its agent."""
        running = {each.pid for each in find_applications(self._agent.marks)}
        gone = {name: pid for name, pid in self._find_untouched().items() if pid not in running}
        assert not gone, f"these ended with their agent: {gone}"

    def _find_untouched(self) -> dict[str, int]:
        """The pids of what is to go on as it was at the last look."""
        return {
            name: self._before[name]["pid"]
            for name, account in self._accounts.items()
            if account.wish.role.stays and not account.disturbed and self._before.get(name, {}).get("pid")
        }

    def _check_lives(self) -> None:
        """What was not touched is the same process as before, and nothing began more often than it had a reason to."""
        rows = self._agent.rows()
        versions = {each.name: each.version for each in find_applications(self._agent.marks)}
        begun, second = self._read_lives()
        assert not second, f"these found another life of theirs: {second}"
        for name, pid in self._find_untouched().items():
            assert rows[name]["pid"] == pid, f"{name} is another process: {self._before[name]} {rows[name]}"
        for name, account in self._accounts.items():
            row, before = rows.get(name), self._before.get(name)
            if account.wish.role.name != "CRASHER":
                assert begun[name] <= account.begun, f"{name} began {begun[name]} times, {account}"
            elif not account.disturbed and row is not None and before is not None:
                assert row["restarts"] >= before["restarts"], f"{name} forgot its restarts: {before} {row}"
        accepted = read_accepted(self._agent.layout)
        for name, account in self._accounts.items():
            held = rows[name]["held"] if name in rows else False
            account.note_look(versions.get(name), accepted.get(name), held=held)
        self._before = rows

    def _read_lives(self) -> tuple[Counter[str], Sequence[str]]:
        """How often each name began since the last look, and which met another life of the same name."""
        lines = (self._agent.marks / "lives").read_text().splitlines()
        new, self._lives_read = lines[self._lives_read :], len(lines)
        words = [line.split() for line in new]
        return Counter(name for word, name, _ in words if word == "began"), [
            name for word, name, _ in words if word == "second"
        ]

    # What there is to know of a failure

    def _note(self, text: str) -> None:
        self._history.append(f"{time.monotonic():.3f} {text}")
        del self._history[:-60]

    def _explain(self, error: AssertionError) -> str:
        kills, history = sum(self.tally.kills.values()), "\n".join(self._history)
        said = [line for line in self._agent.output().splitlines() if not line.startswith("crasher")]
        output = "\n".join(said[-60:])
        return (
            f"--- what the agents said last, without what crashes\n{output}\n--- what was done last\n{history}\n"
            f"--- after {kills} kills, seed {self._seed}\n{error}"
        )


def _all_but_states(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".json") and name not in ("instances", "names")]


def never_hit(reached: Reached) -> list[str]:
    """The points at which no agent was killed."""
    return [point for point in list_points() if not reached.killed[point]]
