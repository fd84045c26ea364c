"""Supervises one container by name: carries out the effects of its life and tells it what came of them.

One task a name waits for the next event or for the one deadline; each effect that takes time is a task below it and
answers with an event. The decisions are in `orchestrator.core.lifecycle`, the effects in `orchestrator.tasks.instance`.
Floor: tasks.
"""

import contextlib
import math

import trio
from attrs import evolve

from orchestrator.core.lifecycle import Effect, Event, Happening, Life, Outcome, judge, step
from orchestrator.model.action import Action, Keep, Replace, Retune, Start, Stop, Target, Update
from orchestrator.model.policy import OnExit, Restart
from orchestrator.model.problem import Problem
from orchestrator.model.spec import Policy
from orchestrator.model.state import Exit, InstanceState, Phase
from orchestrator.ports import OutsideError
from orchestrator.tasks.instance import LiveInstance
from orchestrator.tasks.messages import Hurry, Message, Told, TryAgain, Updated, WriteAgain
from orchestrator.tasks.outside import Outside
from orchestrator.tasks.publish import NamePublisher
from orchestrator.tasks.successor import Successor
from orchestrator.tasks.update import LiveUpdates

REPLACE_AGAIN_AFTER = 5.0
"""Seconds until a replacement is tried again that could not be made ready: a full disk may have room by then."""


class Supervision:
    """One name: its life, what it is to be, and the instance that it has now.

    `tell` hands it an action; `run` is its task and returns when the name is gone for good.
    """

    def __init__(self, name: str, outside: Outside, left: InstanceState | None = None) -> None:
        """left: what an earlier agent has left of it, which is removed before anything is started."""
        self.target: Target | None = None
        """What it was last told to be; None when it is not to run. For the planner: it may not have heard yet."""
        self.problems: tuple[Problem, ...] = ()
        """Those that its definition was last told to have."""
        self._name = name
        self._outside = outside
        self._publisher = NamePublisher(name, outside)
        self._life = Life()
        self._live: LiveInstance | None = None
        self._successor = Successor(name, outside)
        # What it has heard of what it was told.
        self._target: Target | None = None
        self._policy: Policy | None = None
        self._problems: tuple[Problem, ...] = ()
        self._hurried = False
        self._gone = False
        self._put_off = ""
        """Why the replacement that is wanted has not begun: the old one runs meanwhile."""
        self._clock_runs = False
        self._send, self._receive = trio.open_memory_channel[Message](math.inf)
        self._updates = LiveUpdates(name, outside, self._send)
        if left is not None:
            self._live = LiveInstance.from_state(left, outside)
            self._policy = Policy(oneshot=False, restart=Restart(on_success=OnExit.RESTART), stop=left.stop)
            # As if its removal had failed just now: it is tried again at once.
            self._life = Life(phase=Phase.CLEANING, halted=True, deadline=-math.inf)
            outside.report.expect(name)

    @property
    def gone(self) -> bool:
        """It has ended: nothing that it is told now is heard."""
        return self._gone

    @property
    def bundles_in_use(self) -> frozenset[str]:
        """The digests of the bundles that it needs on disk."""
        targets = [target for target in (self.target, self._target) if target is not None]
        used = {self._live.state.bundle if self._live is not None else None, self._successor.bundle} - {None}
        return frozenset([*(target.bundle.digest for target in targets), *(digest for digest in used if digest)])

    def tell(self, action: Action, problems: tuple[Problem, ...] = ()) -> None:
        """Hand over an action of a plan and the problems that its definition has now. Never blocks."""
        match action:
            case Start(target) | Replace(target) | Update(target) | Retune(target):
                self.target = target
            case Stop():
                self.target = None
            case Keep():
                """What is wanted is the same; only the problems may differ."""
        self.problems = problems
        self._outside.report.expect(self._name)
        self._send.send_nowait(Told(action, problems))

    def hurry(self) -> None:
        """From now on no stop waits for its time, and what cannot be removed is left behind. Never blocks."""
        self._send.send_nowait(Hurry())

    def write_again(self) -> None:
        """What was written down of it is gone: write it once more. Never blocks."""
        self._send.send_nowait(WriteAgain())

    async def run(self) -> None:
        """Supervise until the name is not wanted any more and nothing of it is left."""
        async with trio.open_nursery() as nursery:
            while not self._gone:
                self._handle(await self._next_message(), nursery)
            nursery.cancel_scope.cancel()  # a clock may still run for what is not wanted any more

    async def _next_message(self) -> Message:
        """The next message, or the deadline. What people see is written when nothing is to be done at once: beside the
        runtime at its work, not before it."""
        with contextlib.suppress(trio.WouldBlock):
            return self._receive.receive_nowait()
        if self._publisher.due:
            # Lets an effect begin that was just asked for. Twice, since trio runs what is ready in no certain order.
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            with contextlib.suppress(trio.WouldBlock):
                return self._receive.receive_nowait()
            self._publish()
        deadline = math.inf if self._life.deadline is None else self._life.deadline
        while True:
            with trio.move_on_at(min(deadline, self._publisher.again_at)):
                return await self._receive.receive()
            if deadline <= trio.current_time():
                return Happening(event=Event.DEADLINE)
            self._publish()

    def _handle(self, message: Message, nursery: trio.Nursery) -> None:
        match message:
            case Happening():
                self._step(message, nursery)
            case Told(action, problems):
                self._problems = problems
                self._act(action, nursery)
            case Updated():
                self._updates.note(message, self._live)
            case Hurry():
                self._hurried = True
            case WriteAgain():
                self._publisher.again_at = trio.current_time()
                self._successor.drop()  # its folder is gone too
                if self._live is not None:
                    self._live.note()
            case TryAgain():
                self._clock_runs = False
                if self._put_off and self._target is not None:
                    self._replace(self._target, nursery)
        if self._hurried and self._life.phase is Phase.STOPPING:
            self._step(Happening(event=Event.DEADLINE), nursery)
        if self._life.phase is Phase.RUNNING and self._target is not None:
            self._updates.begin_if_due(self._current(), self._target, nursery)
        self._publisher.due = True
        if self._is_wanted() or self._updates.under_way or self._receive.statistics().current_buffer_used:
            return
        left_behind = self._hurried and self._life.phase is Phase.CLEANING and self._life.deadline is not None
        if left_behind:
            self._outside.report.say(f"{self._name}: left behind: {self._life.trouble}")
        if left_behind or self._life.phase is Phase.IDLE:
            # Without an await since the look at the mailbox, so that nothing that is told is lost.
            self._gone = True
            self._publisher.retire()

    def _is_wanted(self) -> bool:
        """Whether there is anything to run, or to tell of it."""
        return self._target is not None or bool(self._problems)

    def _act(self, action: Action, nursery: trio.Nursery) -> None:
        match action:
            case Start(target):
                self._take(target)
                self._step(Happening(event=Event.GO), nursery)
            case Replace(target):
                self._take(target)
                self._replace(target, nursery)
            case Stop():
                self._target, self._put_off = None, ""
                self._successor.drop()
                self._step(Happening(event=Event.HALT), nursery)
            case Update(target) | Retune(target):
                put_off = self._put_off
                self._take(target)
                if put_off:
                    self._replace(target, nursery)
                elif self._is_made_from(target):
                    self._current().note(stop=target.policy.stop)
                if self._may_start_now(target, updated=isinstance(action, Update)):
                    self._step(Happening(event=Event.GO), nursery)
            case Keep():
                """The problems are published by the caller."""

    def _take(self, target: Target) -> None:
        self._target, self._policy, self._put_off = target, target.policy, ""
        self._updates.forget()

    def _replace(self, target: Target, nursery: trio.Nursery) -> None:
        """Make the new instance ready, then end the old one; what cannot be made ready costs nothing that runs."""
        self._put_off = ""
        if self._life.phase is Phase.RUNNING and self._is_made_from(target):
            # An edit that was put off has been taken back.
            self._successor.drop()
            self._current().note(stop=target.policy.stop)
            return
        if self._life.phase is Phase.RUNNING:
            try:
                self._successor.build(target)
            except OutsideError as error:
                self._put_off = str(error)
                if not self._clock_runs:
                    self._clock_runs = True
                    nursery.start_soon(self._try_again_later)
                return
        self._step(Happening(event=Event.REPLACE), nursery)

    def _is_made_from(self, target: Target) -> bool:
        """Whether the instance that there is was made from the bundle of ``target``."""
        return self._live is not None and self._live.state.bundle == target.bundle.digest

    async def _try_again_later(self) -> None:
        await trio.sleep(REPLACE_AGAIN_AFTER)
        self._send.send_nowait(TryAgain())

    def _may_start_now(self, target: Target, *, updated: bool) -> bool:
        """Whether new settings are a reason to start: it waits for a retry, it gave up and has other resources now, or
        it rests and would not under this policy."""
        if self._life.phase is Phase.BACKOFF:
            return True
        if self._life.phase is not Phase.IDLE or not self._life.wanted:
            return False
        gave_up = self._life.outcome is Outcome.FAILED
        return (updated and gave_up) or judge(self._life, target.policy) is Event.CLEANED_RETRY

    def _step(self, happening: Happening, nursery: trio.Nursery) -> None:
        if self._policy is None:
            return  # it was never told to be anything, so there is no life to go on with
        # What runs is stopped as its own definition says, whatever the next one does.
        policy = self._policy if self._live is None else evolve(self._policy, stop=self._live.state.stop)
        self._life, effects = step(
            self._life, happening, policy, now=trio.current_time(), chance=self._outside.chance()
        )
        if happening.event is Event.EXITED and self._live is not None:
            self._live.note(exit=happening.exit)
            if self._put_off and self._target is not None:
                # Its end was wanted, and nothing that runs stands in the way now.
                self._life, _ = step(self._life, Happening(event=Event.REPLACE), policy, now=0, chance=0)
        for effect in effects:
            self._perform(effect, nursery)

    # Effects: each answers with one event.

    def _perform(self, effect: Effect, nursery: trio.Nursery) -> None:
        match effect:
            case Effect.ADMIT:
                self._admit_at_once_or_later(nursery)
            case Effect.RELEASE:
                self._outside.starts.release_on_behalf_of(self)
            case Effect.BUILD:
                self._build()
            case Effect.CREATE:
                nursery.start_soon(self._create, self._current())
            case Effect.START:
                nursery.start_soon(self._start, self._current())
            case Effect.WATCH:
                nursery.start_soon(self._watch, self._current())
            case Effect.SIGNAL:
                self._current().ask_to_end()
            case Effect.KILL:
                self._current().kill()
            case Effect.CLEAN:
                nursery.start_soon(self._clean)

    def _answer(self, event: Event, *, ended: Exit | None = None, message: str = "") -> None:
        self._send.send_nowait(Happening(event=event, exit=ended, message=message))

    def _fail(self, event: Event, error: OutsideError) -> None:
        self._answer(event, ended=Exit(at=self._outside.wall_clock()), message=str(error))

    def _admit_at_once_or_later(self, nursery: trio.Nursery) -> None:
        try:
            self._outside.starts.acquire_on_behalf_of_nowait(self)
        except trio.WouldBlock:
            nursery.start_soon(self._admit)
        else:
            self._answer(Event.ADMITTED)

    async def _admit(self) -> None:
        await self._outside.starts.acquire_on_behalf_of(self)
        self._answer(Event.ADMITTED)

    def _build(self) -> None:
        assert self._target is not None, "a life that builds is wanted, so it was told what to be"
        try:
            self._live = self._successor.take(self._target, self._life.restarts)
        except OutsideError as error:
            self._fail(Event.BUILD_FAILED, error)
        else:
            self._answer(Event.BUILT)

    async def _create(self, live: LiveInstance) -> None:
        try:
            await live.create()
        except OutsideError as error:
            self._fail(Event.CREATE_FAILED, error)
        else:
            self._answer(Event.CREATED)

    async def _start(self, live: LiveInstance) -> None:
        try:
            await live.start()
        except OutsideError as error:
            self._fail(Event.START_FAILED, error)
        else:
            self._answer(Event.STARTED)

    async def _watch(self, live: LiveInstance) -> None:
        self._answer(Event.EXITED, ended=await live.wait_exit())

    async def _clean(self) -> None:
        live = self._live
        try:
            self._successor.clear()
            if live is not None:
                await live.remove()
        except OutsideError as error:
            self._answer(Event.CLEAN_FAILED, message=str(error))
            return
        if live is not None:
            if live.was_left:
                self._outside.report.say(f"ended {live.state.instance}, left by an earlier agent")
            self._live, self._put_off = None, ""
            self._updates.forget()
            if self._target is None or self._target.bundle.digest != live.state.bundle:
                self._outside.sweep()
        self._answer(Event.CLEANED)

    def _current(self) -> LiveInstance:
        assert self._live is not None, "BUILD makes the instance, and only CLEAN takes it away"
        return self._live

    def _publish(self) -> None:
        refusal = f"cannot replace: {self._put_off}" if self._put_off else self._updates.refusal
        state = self._live.state if self._live is not None else None
        self._publisher.publish(self._life, self._policy, state, problems=self._problems, refusal=refusal)
