"""Tells the world how it goes: systemd, the agent's own file and whoever reads the agent's output. Floor: tasks."""

import math
import time
from collections.abc import Callable

import trio
from attrs import evolve

from orchestrator.core.records import list_lines, note_action, note_change
from orchestrator.core.summary import summarize
from orchestrator.model.action import Action, Target
from orchestrator.model.eventlog import Record, RecordKind
from orchestrator.model.problem import Problem
from orchestrator.model.state import AgentState, NameState, PublicState
from orchestrator.ports import Disk, DiskFailed, Notifier
from orchestrator.tasks.settling import Settling

STATUS_AT_MOST_EVERY = 0.5
"""Seconds between two STATUS= lines, so that a crash loop does not become systemd's."""
WRITE_AGAIN_AFTER = 5.0
"""Seconds until the event log that could not be written is tried again."""
EVENT_LOG = "the event log is written"
STATE_FILES = "the state files are written"
LOGS = "logs are looked at when they are written"
RUNTIME = "the OCI runtime works"
STOCK = "the OCI runtime tells what runs"
STORE_ROOTS = "store paths are kept from the garbage collector"
STRANGERS = "all containers are known"
"""What troubles are about."""
EXTEND_BY = 30.0
"""Seconds more that systemd is asked for while containers are being stopped."""


_AT_REST = frozenset({PublicState.STOPPED, PublicState.COMPLETED, PublicState.FAILED, PublicState.INVALID})


class Reporter:
    """Implements `orchestrator.tasks.outside.Report`; `run` is its task."""

    def __init__(
        self,
        agent: AgentState,
        disk: Disk,
        notifier: Notifier,
        say: Callable[[str], None],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """say: prints a line for people. wall_clock: epoch seconds."""
        self._agent = agent
        self._disk = disk
        self._notifier = notifier
        self._say = say
        self._wall_clock = wall_clock
        self._states: dict[str, NameState] = {}
        self._settling = Settling()
        self._ends_by: dict[str, float] = {}
        """When what is asked to end is killed."""
        self._changed = trio.Event()
        self._told = ""
        self._troubles: dict[str, str] = {}
        """What cannot be done for now, by what it is about."""
        self._unwritten = ""
        """Why the agent's file could not be written, as it was told."""
        self._ending = False
        self._reloads = 0
        """How many looks are asked for and not done."""

    def expect(self, name: str) -> None:
        """A name has been told something: it is not settled until it has answered."""
        self._settling.expect(name)

    def recall(self, state: NameState) -> None:
        """What an earlier agent has told of a name."""
        self._states[state.name] = state

    def changed(self, state: NameState, *, settled: bool, ends_by: float = -math.inf) -> None:
        """A name's state has changed."""
        for record in note_change(self._states.get(state.name), state, self._wall_clock()):
            # At the agent's end problems are told of no more, but they are not mended by that.
            if record.kind is not RecordKind.MENDED or not self._ending:
                self._tell(record)
        self._states[state.name] = state
        self._settling.note(state, settled=settled)
        self._ends_by[state.name] = ends_by
        self._wake()

    def forget(self, name: str) -> None:
        """The name is gone, with its definition or with the agent."""
        state = self._states.pop(name, None)
        if state is not None:
            if not self._ending:
                self.note(RecordKind.REMOVED, name)
            elif state.state not in _AT_REST:
                self.note(RecordKind.STOPPED, name)
        self._settling.forget(name)
        self._ends_by.pop(name, None)
        self._wake()

    def told(self, name: str, action: Action, before: Target | None) -> None:
        """A name is about to be told an action of a plan. before: what it was last told to be."""
        record = note_action(name, action, before, self._wall_clock())
        if record is not None:
            self._tell(record)

    def note(self, kind: RecordKind, name: str = "", message: str = "") -> None:
        """What no state tells, for the event log. The agent's own beginning and end have their lines already."""
        record = Record(at=self._wall_clock(), kind=kind, name=name, message=message)
        if kind in (RecordKind.AGENT_STARTED, RecordKind.AGENT_STOPPED):
            self._append(record)
        else:
            self._tell(record)

    def _tell(self, record: Record) -> None:
        """In a line for people, and in the event log."""
        for line in list_lines(record):
            self._say(line)
        self._append(record)

    def _append(self, record: Record) -> None:
        try:
            self._disk.append_record(record)
        except DiskFailed as error:
            self.trouble(EVENT_LOG, f"{error}; what happens is not in the event log")
        else:
            self.trouble(EVENT_LOG, "")

    def trouble(self, about: str, message: str) -> None:
        """What cannot be done for now and is tried again, and an empty text when it can be: in a line for people, and
        in the agent's file. about: what is done again then."""
        if message == self._troubles.get(about, ""):
            return
        if message:
            self._troubles[about] = message
        else:
            del self._troubles[about]
        text = message or f"{about} again"
        if about == EVENT_LOG:
            self._say(text)  # it is about itself
        else:
            self.note(RecordKind.TROUBLE if message else RecordKind.MENDED, message=text)
        self._write(evolve(self._agent, troubles=tuple(self._troubles.values())))
        self._wake()

    def say(self, text: str) -> None:
        """A line for people, of what no state tells."""
        self._say(text)

    def directory(self, message: str, problems: tuple[Problem, ...]) -> None:
        """What is wrong with the directory as a whole, and with files that can be no container's."""
        agent = evolve(self._agent, message=message, problems=problems)
        if agent == self._agent:
            return
        if message != self._agent.message:
            kind = RecordKind.TROUBLE if message else RecordKind.MENDED
            self.note(kind, message=message or "the directory is read and watched again")
        new = tuple(problem for problem in problems if problem not in self._agent.problems)
        if new:
            self._tell(Record(at=self._wall_clock(), kind=RecordKind.PROBLEM, problems=new))
        self._write(agent)
        self._wake()

    def history(self, pinned: int | None, trouble: str) -> None:
        """Which generation is followed instead of the directory, and why none can be written."""
        agent = evolve(self._agent, pinned=pinned, history_trouble=trouble)
        if agent != self._agent:
            self._write(agent)
            self._wake()

    def write_again(self) -> None:
        """The agent's file is gone: write it once more."""
        self._write(self._agent)

    @property
    def states(self) -> tuple[NameState, ...]:
        """Every name's state, by name."""
        return tuple(self._states[name] for name in sorted(self._states))

    @property
    def healthy(self) -> bool:
        """Nothing is wrong: no problem, no failure, no trouble with the directory."""
        fine = not any(_is_bad(state) for state in self._states.values())
        return fine and not self._agent.message and not self._agent.problems

    @property
    def agent(self) -> AgentState:
        """The agent itself."""
        return self._agent

    async def wait_done(self, name: str) -> NameState | None:
        """Wait until nothing is under way for a name, its end neither; its state, or None if it is gone."""
        while not self._settling.is_settled(name) or self._is_ending(name):
            await self._changed.wait()
        return self._states.get(name)

    def _is_ending(self, name: str) -> bool:
        state = self._states.get(name)
        return state is not None and state.state is PublicState.STOPPING

    async def wait_settled(self) -> None:
        """See `Settling.wait_settled`."""
        await self._settling.wait_settled()

    async def wait_finished(self) -> None:
        """See `Settling.wait_finished`."""
        await self._settling.wait_finished()

    def settled(self) -> None:
        """The first plan has settled: READY=1."""
        self._tell_status()  # before READY, which systemd may answer by showing it
        self._notifier.ready()
        self._write(evolve(self._agent, settled=True))

    def reloading(self) -> Callable[[], None]:
        """Another look is asked for: RELOADING=1, unless the agent has yet to begin, or ends. Returns what is to be
        called when it is done: READY=1 follows when no other is asked for."""
        if not self._agent.settled or self._ending:
            return lambda: None
        self._reloads += 1
        self._notifier.reloading()
        return self._reloaded

    def _reloaded(self) -> None:
        self._reloads -= 1
        if not self._reloads and not self._ending:
            self._tell_status()
            self._notifier.ready()

    def stopping(self) -> None:
        """The end has begun: STOPPING=1. From now on a name goes since the agent does."""
        self._ending = True
        self._notifier.stopping()

    async def run(self) -> None:
        """Keep systemd's status line true, and try the event log again while it cannot be written. No timer runs while
        nothing changes."""
        while True:
            changed = self._changed
            if self._tell_status():
                await trio.sleep(STATUS_AT_MOST_EVERY)
                continue
            with trio.move_on_after(WRITE_AGAIN_AFTER if EVENT_LOG in self._troubles else math.inf) as pause:
                await changed.wait()
            if pause.cancelled_caught:
                self._append(Record(at=self._wall_clock(), kind=RecordKind.MENDED, message=f"{EVENT_LOG} again"))

    def _tell_status(self) -> bool:
        """STATUS=, if it differs from what was told last; whether it did."""
        line = summarize(self._states.values())
        if self._agent.pinned is not None:
            line = f"{line}; generation {self._agent.pinned} is pinned"
        if self._agent.message:
            line = f"{line}; {self._agent.message}"
        line = "; ".join((line, *self._agent.troubles))
        if line == self._told:
            return False
        self._notifier.status(line)
        self._told = line
        return True

    async def feed_watchdog(self, is_stuck: Callable[[], bool]) -> None:
        """WATCHDOG=1 from the main loop, as often as systemd asks; returns at once where it does not.

        is_stuck: whether the agent does not do its work any more though its main loop turns. Then nothing is said, so
        that systemd starts another. Supervisions need no such look: all that they await has a deadline.
        """
        interval = self._notifier.watchdog_interval
        stuck = False
        while interval is not None:
            was_stuck, stuck = stuck, is_stuck()
            if not stuck:
                self._notifier.watchdog()
            elif not was_stuck:
                self._say("the look at the directory does not end: the watchdog is let bite")
            await trio.sleep(interval)

    async def extend_start(self, is_stuck: Callable[[], bool]) -> None:
        """EXTEND_TIMEOUT_USEC= again and again until cancelled: what is to be ready first, or to end first, may take
        longer than a unit file knows of. systemd is let end an agent whose own work does not go on."""
        while not is_stuck():
            self._notifier.extend(EXTEND_BY)
            await trio.sleep(EXTEND_BY / 3)

    async def extend_stop(self) -> None:
        """EXTEND_TIMEOUT_USEC= again and again while containers are being stopped, until cancelled: one after the other
        they may take longer than a unit file knows of. systemd is let end it once nothing has changed for longer than
        any single one may take, and none has asked for more time."""
        stops = [state.standing.policy.stop.timeout for state in self._states.values() if state.standing is not None]
        patience = max(stops, default=0.0) + EXTEND_BY
        changed, since = self._changed, trio.current_time()
        while trio.current_time() < max(since + patience, self._last_end() + EXTEND_BY):
            self._notifier.extend(EXTEND_BY)
            await trio.sleep(EXTEND_BY / 3)
            if changed.is_set():
                changed, since = self._changed, trio.current_time()

    def _last_end(self) -> float:
        return max(self._ends_by.values(), default=-math.inf)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _write(self, agent: AgentState) -> None:
        self._agent = agent
        try:
            self._disk.write_agent(agent)
        except DiskFailed as error:
            if str(error) != self._unwritten:
                self._unwritten = str(error)
                self._say(str(error))
        else:
            self._unwritten = ""


def _is_bad(state: NameState) -> bool:
    """It has problems, has failed, or is being started again after that."""
    if state.state in (PublicState.BACKOFF, PublicState.FAILED, PublicState.INVALID) or state.problems:
        return True
    return state.failures > 0 and state.state is not PublicState.RUNNING and state.state not in _AT_REST
