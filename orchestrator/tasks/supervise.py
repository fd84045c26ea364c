"""Supervises one container by name: carries out the effects of its life and tells it what came of them.

One task a name waits for the next event or for the one deadline; each effect that takes time is a task below it and
answers with an event. The decisions are in `orchestrator.core.lifecycle`, the effects in `orchestrator.tasks.instance`.
Floor: tasks.
"""

import contextlib

import trio
from attrs import frozen

from orchestrator.core.lifecycle import Effect, Event, Happening, Life, judge, step
from orchestrator.core.naming import describe_name
from orchestrator.model.action import Action, Keep, Replace, Retune, Start, Stop, Target, Update
from orchestrator.model.definition import Resources
from orchestrator.model.problem import Problem
from orchestrator.model.spec import Policy
from orchestrator.model.state import Exit, NameState, Phase
from orchestrator.ports import DiskFailed, OutsideError, RuntimeFailed
from orchestrator.tasks.instance import LiveInstance
from orchestrator.tasks.outside import Outside


@frozen
class _Told:
    """A message from outside: an action of a plan, with the problems that the definition has now."""

    action: Action
    problems: tuple[Problem, ...]


@frozen
class _Updated:
    """The answer of a live update of an instance: what it tried, and why it failed or an empty text."""

    instance: str
    resources: Resources
    message: str


@frozen
class _Hurry:
    """A message from outside: do not wait for a stop's time to run out."""


_Message = Happening | _Told | _Updated | _Hurry


class Supervision:
    """One name: its life, what it is to be, and the instance that it has now.

    `tell` hands it an action; `run` is its task and returns when the name is gone for good.
    """

    def __init__(self, name: str, outside: Outside) -> None:
        self._name = name
        self._outside = outside
        self._life = Life()
        self._target: Target | None = None
        self._policy: Policy | None = None
        self._problems: tuple[Problem, ...] = ()  # as published
        self.problems: tuple[Problem, ...] = ()
        """Those that its definition was last told to have."""
        self._retired = False
        self._gone = False
        self._live: LiveInstance | None = None
        self._updating = False
        self._refused: _Updated | None = None
        self._published: NameState | None = None
        self._unpublished = False
        self._send, self._receive = trio.open_memory_channel[_Message](float("inf"))

    @property
    def target(self) -> Target | None:
        """What it was last told to be; None when it is not to run."""
        return self._target

    @property
    def gone(self) -> bool:
        """It has ended: nothing that it is told now is heard."""
        return self._gone

    @property
    def bundles_in_use(self) -> frozenset[str]:
        """The digests of the bundles that it needs on disk."""
        wanted = {self._target.bundle.digest} if self._target is not None else set()
        used = {self._live.instance.bundle.digest} if self._live is not None else set()
        return frozenset(wanted | used)

    def tell(self, action: Action, problems: tuple[Problem, ...] = ()) -> None:
        """Hand over an action of a plan and the problems that its definition has now. Never blocks."""
        match action:
            case Start(target) | Replace(target) | Update(target) | Retune(target):
                self._target = target
                self._policy = target.policy
            case Stop():
                self._target = None
            case Keep():
                """What is wanted is the same; only the problems may differ."""
        self.problems = problems
        self._outside.report.expect(self._name)
        self._send.send_nowait(_Told(action, problems))

    def hurry(self) -> None:
        """As if the stop's time had run out; nothing where nothing is being stopped. Never blocks."""
        self._send.send_nowait(_Hurry())

    async def run(self) -> None:
        """Supervise until the name is not wanted any more and nothing of it is left."""
        async with trio.open_nursery() as nursery:
            while not self._gone:
                self._handle(await self._next_message(), nursery)

    async def _next_message(self) -> _Message:
        """The next message, or the deadline. What people see is written when nothing is to be done at once: beside the
        runtime at its work, not before it."""
        with contextlib.suppress(trio.WouldBlock):
            return self._receive.receive_nowait()
        if self._unpublished:
            await trio.lowlevel.checkpoint()  # lets an effect begin that was just asked for
            with contextlib.suppress(trio.WouldBlock):
                return self._receive.receive_nowait()
            self._publish()
        deadline = self._life.deadline
        with trio.move_on_at(float("inf") if deadline is None else deadline):
            return await self._receive.receive()
        return Happening(event=Event.DEADLINE)

    def _handle(self, message: _Message, nursery: trio.Nursery) -> None:
        match message:
            case Happening():
                self._step(message, nursery)
            case _Told(action, problems):
                self._problems = problems
                self._act(action, nursery)
            case _Updated():
                self._note_update(message)
            case _Hurry():
                if self._life.phase is Phase.STOPPING:
                    self._step(Happening(event=Event.DEADLINE), nursery)
        self._update_if_due(nursery)
        if self._retired and self._life.phase is Phase.IDLE and not self._updating:
            self._retire()
        self._unpublished = True

    def _act(self, action: Action, nursery: trio.Nursery) -> None:
        match action:
            case Start():
                self._retired = False
                self._step(Happening(event=Event.GO), nursery)
            case Replace():
                self._step(Happening(event=Event.REPLACE), nursery)
            case Stop():
                self._retired = True
                self._step(Happening(event=Event.HALT), nursery)
            case Update() | Retune():
                self._refused = None
                if self._is_waiting_for_better_times():
                    self._step(Happening(event=Event.GO), nursery)
            case Keep():
                """The problems are published by the caller."""

    def _is_waiting_for_better_times(self) -> bool:
        """Whether new settings let it start now: it waits for a retry, or it rests and would not under these."""
        if self._life.phase is Phase.BACKOFF:
            return True
        rests = self._life.phase is Phase.IDLE and self._life.wanted
        return rests and self._policy is not None and judge(self._life, self._policy) is Event.CLEANED_RETRY

    def _step(self, happening: Happening, nursery: trio.Nursery) -> None:
        if self._policy is None:
            return  # it was never told to be anything, so there is no life to go on with
        self._life, effects = step(
            self._life, happening, self._policy, now=trio.current_time(), chance=self._outside.chance()
        )
        if happening.event is Event.EXITED and self._live is not None:
            self._live.note(exit=happening.exit)
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
                self._ask_to_end()
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
        self._live = LiveInstance(self._name, self._target, self._life.restarts, self._outside)
        try:
            self._live.build()
        except DiskFailed as error:
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
        if live is not None:
            try:
                await live.remove()
            except OutsideError as error:
                self._answer(Event.CLEAN_FAILED, message=str(error))
                return
            self._live = None
            self._refused = None
            if self._target is None or self._target.bundle != live.instance.bundle:
                self._outside.sweep()
        self._answer(Event.CLEANED)

    def _ask_to_end(self) -> None:
        assert self._policy is not None, "a life has a policy"
        self._current().ask_to_end(self._policy.stop.signal)

    def _current(self) -> LiveInstance:
        assert self._live is not None, "BUILD makes the instance, and only CLEAN takes it away"
        return self._live

    # Live updates

    def _update_if_due(self, nursery: trio.Nursery) -> None:
        if self._updating or self._life.phase is not Phase.RUNNING or self._target is None or self._live is None:
            return
        wanted = self._target.resources
        refused = self._refused is not None and self._refused.resources == wanted
        if wanted != self._live.state.resources and not refused:
            self._updating = True
            nursery.start_soon(self._update, self._live, wanted)

    async def _update(self, live: LiveInstance, wanted: Resources) -> None:
        message = ""
        try:
            await live.update(wanted)
        except RuntimeFailed as error:
            message = str(error)
        self._send.send_nowait(_Updated(live.instance.id, wanted, message))

    def _note_update(self, updated: _Updated) -> None:
        self._updating = False
        if self._live is not None and self._live.instance.id == updated.instance:
            self._refused = updated if updated.message else None

    # What people see

    def _publish(self) -> None:
        self._unpublished = False
        state = describe_name(
            self._name,
            self._life,
            self._policy,
            self._live.state if self._live is not None else None,
            self._published,
            problems=self._problems,
            refusal=self._refused.message if self._refused is not None else "",
            log=self._outside.layout.log(self._name) if self._policy is not None else None,
            now=trio.current_time(),
            wall_clock=self._outside.wall_clock(),
        )
        if state != self._published:
            self._published = state
            try:
                self._outside.disk.write_name(state)
            except DiskFailed as error:
                self._published = None  # so that the next event tries again
                self._outside.report.trouble(f"{self._name}: {error}")
        settled = self._life.phase in (Phase.RUNNING, Phase.BACKOFF, Phase.IDLE) or self._life.deadline is not None
        self._outside.report.changed(state, settled=settled)

    def _retire(self) -> None:
        """The last thing that a supervision does. Without an await, so that nothing can be told in between."""
        self._gone = True
        try:
            self._outside.disk.remove_name(self._name)
        except DiskFailed as error:
            self._outside.report.trouble(f"{self._name}: {error}")
        self._outside.report.forget(self._name)
