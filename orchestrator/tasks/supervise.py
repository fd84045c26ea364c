"""Supervises one container by name: carries out the effects of its life and tells it what came of them.

One task a name waits for the next event or for the one deadline; each effect that takes time is a task below it and
answers with an event. The decisions are in `orchestrator.core.lifecycle`, the effects in `orchestrator.tasks.effects`.
Floor: tasks.
"""

import trio
from attrs import evolve

from orchestrator.core.lifecycle import Effect, Event, Happening, step, succeed
from orchestrator.core.outcome import may_start_now, retime
from orchestrator.core.plan import follow
from orchestrator.model.action import Action, Hold, Keep, Renew, Replace, Retune, Start, Stop, Target, Update
from orchestrator.model.bundle import Instance
from orchestrator.model.health import HealthReport
from orchestrator.model.life import Life, Phase
from orchestrator.model.problem import Problem
from orchestrator.model.sockets import ListenSpec
from orchestrator.model.spec import Policy
from orchestrator.ports import Refused
from orchestrator.tasks.effects import Effects
from orchestrator.tasks.handover import HandOver, may_overlap
from orchestrator.tasks.mailbox import Mailbox
from orchestrator.tasks.messages import (
    HandedOver,
    HandOverFailed,
    Hurry,
    InTurn,
    Message,
    Noted,
    Told,
    TryAgain,
    Updated,
    WriteAgain,
)
from orchestrator.tasks.outside import Outside
from orchestrator.tasks.place import Place
from orchestrator.tasks.publish import NamePublisher
from orchestrator.tasks.replacement import Replacement
from orchestrator.tasks.takeover import Adopted
from orchestrator.tasks.trial import Trial
from orchestrator.tasks.update import LiveUpdates


class Supervision:
    """One name: its life, what it is to be, and the instance that it has now.

    `tell` hands it an action; `run` is its task and returns when the name is gone for good.
    """

    def __init__(self, name: str, outside: Outside, adopted: Adopted | None = None) -> None:
        """adopted: what an earlier agent has left of it, to go on with."""
        self.target: Target | None = None
        """What it was last told to be; None when it is not to run. For the planner: it may not have heard yet."""
        self.problems: tuple[Problem, ...] = ()
        """Those that its definition was last told to have."""
        self.instead: Target | None = None
        """What it was last told to be in its place, if that ends and cannot be made again."""
        self.held = False
        """Whether it was last told that an operator has stopped it."""
        self.building = ""
        """How far a build of its definition is; empty where none is under way."""
        self._name = name
        self._outside = outside
        self._publisher = NamePublisher(name, outside, adopted.before if adopted is not None else None)
        self._life = Life()
        self._resumed: tuple[Effect, ...] = ()
        self._beside = adopted.beside if adopted is not None else ()
        self.awaited = adopted is not None
        """It goes on with what an earlier agent has left, and was not told anything yet."""
        # What it has heard of what it was told.
        self._target: Target | None = None
        self._left = adopted.resumption.target if adopted is not None else None
        """What an earlier agent's was, until there is something else."""
        self._listens = False
        """Sockets are or were held for it."""
        self._policy: Policy | None = None
        self._problems: tuple[Problem, ...] = ()
        self._hurried = False
        self._gone = False
        self._mailbox = Mailbox()
        self._updates = LiveUpdates(self._mailbox.send)
        self._effects = Effects(name, outside, self._mailbox.send, adopted)
        self._replacement = Replacement(self._effects)
        self._trial = Trial(adopted.standing if adopted is not None else None)
        self._back = self._trial.comes_back
        self._hand_over = HandOver(name, outside, self._mailbox.send.send_nowait)
        self._place = Place(name, outside.order, self._mailbox)
        if adopted is not None:
            resumption = adopted.resumption
            self._life, self._policy, self._resumed = resumption.life, resumption.policy, resumption.effects
            self.target = resumption.target
            if adopted.before is not None:
                self.problems = self._problems = adopted.before.problems
                outside.report.recall(adopted.before)
            self._publisher.due = True  # people are told of it whether it is told anything or not
            outside.report.expect(name)

    @property
    def gone(self) -> bool:
        """It has ended: nothing that it is told now is heard."""
        return self._gone

    @property
    def runs(self) -> bool:
        """Whether its application runs and is not being stopped."""
        return self._life.phase is Phase.RUNNING

    @property
    def instance(self) -> Instance | None:
        """The instance that there is now, if this agent made it."""
        return self._effects.live.instance if self._effects.live is not None else None

    @property
    def shown_target(self) -> Target | None:
        """What its instance was made from, or the next one would be."""
        live = self._effects.live
        return live.applied if live is not None else self._target or self.target

    @property
    def comes_after(self) -> tuple[str, ...]:
        """Those that it comes after: as it was last told, and as it goes on, which differs after a roll-back."""
        told = self.target.policy if self.target is not None else None
        policies = [policy for policy in (told, self._policy) if policy is not None]
        return tuple(name for policy in policies for name in (*policy.after, *policy.requires))

    @property
    def bundles_in_use(self) -> frozenset[str]:
        """The digests of the bundles that it needs on disk."""
        targets = [target.bundle.digest for target in (self.target, self._target) if target is not None]
        back = self._trial.comes_back
        return self._effects.bundles.union(targets, self._hand_over.bundles, () if back is None else (back,))

    @property
    def sockets_in_use(self) -> frozenset[ListenSpec] | None:
        """The sockets that are to be held for it: what waits at them waits for its next instance. While an operator has
        stopped it, and once it is not wanted, nobody is to wait. None where it is not known which they are: then all of
        its are."""
        if self.held or self.target is None:
            return frozenset()
        live = self._effects.live
        back = self._trial.good if self._trial.comes_back is not None else None
        told = None if self._trial.is_refused(self.target) else self.target
        targets = (told, self._target, back, live.target if live is not None else None)
        known = [each for each in targets if each is not None]
        if any(each.source is None for each in known):
            return None  # an earlier agent's
        return frozenset(spec for each in known for spec in each.bundle.sockets)

    def tell(self, action: Action, problems: tuple[Problem, ...] = ()) -> None:
        """Hand over an action of a plan and the problems that its definition has now. Never blocks."""
        self.target, self.held = follow(action, self.target, self.held)
        self.problems, self.instead = problems, action.instead if isinstance(action, Keep) else None
        self._outside.report.expect(self._name)
        self._mailbox.send.send_nowait(Told(action, problems))
        self._place.tell(action)  # then, since what it wakes is to find it told

    def note_building(self, progress: str) -> None:
        """How far a build of its definition is, or empty. Never blocks."""
        if progress != self.building:
            self.building = progress
            self._mailbox.send.send_nowait(Noted())

    def recall(self, good: Target) -> None:
        """What an earlier agent knew to be good can be made again. To be called before anything is told."""
        self._trial.recall(good)

    def hurry(self) -> None:
        """From now on no stop waits for its time, and what cannot be removed is left behind. Never blocks."""
        self._mailbox.send.send_nowait(Hurry())

    def send_signal(self, number: int) -> None:
        """Send a signal to the first process. Raises Refused where none runs."""
        live = self._effects.live
        if live is None or self._life.phase not in (Phase.RUNNING, Phase.STOPPING, Phase.KILLING):
            raise Refused(f"{self._name} does not run")
        live.send_signal(number)

    def write_again(self) -> None:
        """What was written down of it is gone: write it once more. Never blocks."""
        self._mailbox.send.send_nowait(WriteAgain())

    async def run(self) -> None:
        """Supervise until the name is not wanted any more and nothing of it is left."""
        async with trio.open_nursery() as nursery:
            for effect in self._resumed:
                self._effects.perform(effect, nursery, None, self._life.restarts)
            for state, process in self._beside:
                self._hand_over.adopt(state, process, nursery)
            self._note_place()
            try:
                while not self._gone:
                    deadline = self._life.deadline
                    message = await self._mailbox.next_message(deadline, self._publisher, self._publish)
                    self._handle(message, nursery)
            except trio.Cancelled:
                # The agent ends and it goes on: what a next agent goes by is the last word of this one.
                self._publish()
                raise
            nursery.cancel_scope.cancel()  # a clock may still run for what is not wanted any more

    def _handle(self, message: Message, nursery: trio.Nursery) -> None:
        match message:
            case Happening():
                self._step(message, nursery)
            case Told(action, problems):
                self._problems, self.awaited = problems, False
                self._act(action, nursery)
                if self._life.phase is Phase.BLOCKED:
                    self._take_again()
                    self._effects.perform(Effect.AWAIT, nursery, self._target, self._life.restarts)
            case Updated():
                self._updates.note(message, self._effects.live)
                if self._updates.refusal:
                    self._mailbox.begin_clock(nursery)
            case Hurry() | InTurn():
                if isinstance(message, Hurry):
                    self._hurried = True
                    self._hand_over.hurry()
                self._take_turn(nursery)
            case WriteAgain():
                self._publisher.again_at = trio.current_time()
                self._effects.successor.drop()  # its folder is gone too
                if self._effects.live is not None:
                    self._effects.live.note()
            case Noted():
                pass  # what is told of it is written down below
            case HandedOver():
                self._take_over(message, nursery)
            case HandOverFailed(why):
                self._give_up_hand_over(why)
            case TryAgain():
                self._updates.try_again()
                if self._effects.live is not None:
                    self._effects.live.follow_host()
                if self._replacement.put_off and self._target is not None:
                    self._replace(self._target, nursery)
        if self._hurried and self._life.phase is Phase.STOPPING:
            self._step(Happening(event=Event.DEADLINE), nursery)
        if self._life.phase is Phase.RUNNING and self._target is not None:
            self._updates.begin_if_due(self._effects.current, self._target, nursery)
        if self._effects.live is not None and self._effects.live.stale:
            self._mailbox.begin_clock(nursery)
        self._publisher.due = True
        self._note_place()
        if self._back not in (None, back := self._trial.comes_back):
            self._outside.sweep()  # it was kept in case what was tried does not become ready
        self._back = back
        if self._is_wanted() or self._updates.under_way or self._mailbox.has_more:
            return
        left_behind = self._hurried and self._life.phase is Phase.CLEANING and self._life.deadline is not None
        if left_behind:
            self._outside.report.say(f"{self._name}: left behind: {self._life.trouble}")
        leaves = self._effects.leaves or self._hand_over.leaves
        if left_behind or (self._life.phase is Phase.IDLE and (self._hurried or not leaves)):
            # Without an await since the look at the mailbox, so that nothing that is told is lost.
            self._gone = True
            self._place.leave()
            self._publisher.retire()

    def _is_wanted(self) -> bool:
        """Whether there is anything to run, or to tell of it, as far as is known."""
        return self._target is not None or bool(self._problems or self.building) or self.awaited

    def _note_place(self) -> None:
        instance = self._effects.live.state if self._effects.live is not None else None
        self._place.note(self._life, self._policy, valid=self._target is not None or self.awaited, instance=instance)

    def _take_turn(self, nursery: trio.Nursery) -> None:
        """Do what its place among the others lets it do now, or asks for."""
        event = self._place.take_turn(self._life, hurried=self._hurried)
        if event is not None:
            self._step(Happening(event=event), nursery)

    def _act(self, action: Action, nursery: trio.Nursery) -> None:
        self._place.obey(action)
        match action:
            case Start(target):
                self._trial.begin(target)
                self._take(target)
                another_runs = self._life.phase is Phase.RUNNING and not self._effects.is_made_from(target)
                if another_runs or self._replacement.put_off:
                    self._replace(target, nursery)
                else:
                    self._step(Happening(event=Event.GO), nursery)
            case Replace(target):
                self._trial.begin(target)
                self._take(target)
                self._replace(target, nursery)
            case Renew(target):
                self._trial.begin(target)
                self._take(target)
                self._replacement.want_anew()
                self._replace(target, nursery)
            case Hold(target):
                self._take(target)
                self._halt(nursery)
            case Stop():
                self._target = None
                self._halt(nursery)
                if self._effects.live is None:
                    self._outside.sweep()  # else once that is gone
            case Keep(target) | Retune(target) if target is not None and self._trial.is_refused(target):
                self._keep_rolled_back(target, nursery)
            case Update(target) | Retune(target) if self._trial.refusal is not None:
                # What was refused has been edited, if not in its bundle: it may become ready now.
                self._act(Replace(target), nursery)
            case Update(target) | Retune(target):
                # What the host says in its files is no edit.
                edited = self._target is None or evolve(self._target, live=target.live) != target
                self._take(target)
                if self._replacement.put_off:
                    self._replace(target, nursery)
                elif self._effects.is_made_from(target) or "" in self._effects.bundles:
                    self._effects.current.retune(target)
                if edited and may_start_now(self._life, target.policy, updated=isinstance(action, Update)):
                    self._step(Happening(event=Event.GO), nursery)
            case Keep(target) if target is not None:
                # Of what was adopted the policy is the same, too, but for what it was compared with.
                self._target, self._policy = target, target.policy
                if is_made := self._effects.is_made_from(target):
                    self._effects.current.retell(target)
                self._trial.go_on(target, is_ready=is_made and self._life.was_ready)
                if self._trial.has_ended(self._life):
                    self._roll_back(nursery)
            case Keep(_, instead) if instead is not None:
                self._trial.keep(instead)
                if self._effects.is_made_from(instead):
                    self._effects.current.follow_host(instead)

    def _keep_rolled_back(self, refused: Target, nursery: trio.Nursery) -> None:
        """The directory still says what was refused. After an earlier agent's roll-back what came back goes on; if that
        has ended, and how to make it is not known any more, what was refused is tried once more."""
        if self._target is None and self._trial.good is not None:
            self._take(self._trial.good)
        elif self._target is None:
            self._trial.keep(refused)
            if not self._effects.live:
                self._act(Start(refused), nursery)

    def _take(self, target: Target) -> None:
        self._life = retime(self._life, self._policy, target.policy, trio.current_time())
        before, self._left = self._target or self._left, None
        self._target, self._policy = target, target.policy
        self._listens = self._listens or bool(target.bundle.sockets)
        self._updates.forget()
        if before is not None and before.bundle != target.bundle and not self._effects.is_made_from(before):
            self._outside.sweep()  # nothing will be made from it any more

    def _take_again(self) -> None:
        """It is known how to make what it is to be, or what an earlier agent has left is followed by what can be."""
        if self._target is None and (again := self._trial.take_again()) is not None:
            self._take(again)
            if again is self.instead:
                self.target = again  # nothing else was told since

    def _halt(self, nursery: trio.Nursery) -> None:
        self._replacement.drop()
        self._hand_over.cancel(nursery)
        if self._listens:
            self._outside.sweep()  # nobody is to wait at its sockets any more
        self._take_turn(nursery)

    def _replace(self, target: Target, nursery: trio.Nursery) -> None:
        runs = self._life.phase is Phase.RUNNING
        if runs and may_overlap(self._effects.live, target) and self._replacement.is_due(target):
            self._replacement.forget()
            self._hand_over.begin(target, nursery)
            return
        self._hand_over.cancel(nursery)
        if self._replacement.prepare(target, runs=self._life.phase is Phase.RUNNING):
            self._step(Happening(event=Event.REPLACE), nursery)
        elif self._replacement.put_off:
            self._mailbox.begin_clock(nursery)

    def _step(self, happening: Happening, nursery: trio.Nursery) -> None:
        if self._policy is None:
            return  # it was never told to be anything, so there is no life to go on with
        # What runs is stopped as its own definition says, whatever the next one does.
        live = self._effects.live
        policy = self._policy if live is None else evolve(self._policy, stop=live.state.policy.stop)
        now, chance = trio.current_time(), self._outside.chance()
        self._life, effects = step(self._life, happening, policy, now=now, chance=chance)
        self._effects.is_wanted = self._life.phase is not Phase.ABANDONING
        if happening.event is Event.EXITED:
            self._hand_over.cancel(nursery)  # nothing that runs is to be followed any more
        if happening.event is Event.EXITED and self._replacement.put_off and self._target is not None:
            # Its end was wanted, and nothing that runs stands in the way now.
            self._life, _ = step(self._life, Happening(event=Event.REPLACE), policy, now=0, chance=0)
        if self._life.was_ready and self._target is not None and self._effects.is_made_from(self._target):
            self._trial.note_ready(self._target)
        if self._trial.has_failed(happening.event, self._life):
            self._roll_back(nursery)
        if happening.event is Event.CLEANED:
            self._forget_removed()
        if Effect.AWAIT in effects:
            self._take_again()
        for effect in effects:
            self._effects.perform(effect, nursery, self._target, self._life.restarts)

    def _take_over(self, done: HandedOver, nursery: trio.Nursery) -> None:
        """The new instance is ready: it is the name's own, and the old one may finish what it has begun."""
        if not self._hand_over.take(done.watched):
            return
        old = self._effects.swap(done.watched)
        self._life = succeed(self._life, now=trio.current_time())
        self._trial.note_ready(done.target)
        self._publish()  # the name points at the new one before the old one is asked to end
        self._hand_over.drain(old, nursery)

    def _give_up_hand_over(self, why: str) -> None:
        """The new instance has not become ready: the old one goes on as if there had been no edit."""
        good, tried = self._effects.current.target, self._target
        if tried is None:
            return
        if good is not None and good.source is not None:
            self._trial.refuse_successor(tried, good, why)
            self._take(good)
        else:
            # An earlier agent has made it, so that when it ends there is only what was refused.
            self._trial.refuse_successor(tried, None, why)
            self._trial.keep(tried)
            self._target = None

    def _roll_back(self, nursery: trio.Nursery) -> None:
        """What was tried did not become ready: when it is cleaned away, what ran before it comes back."""
        self._take(self._trial.refuse(self._life.message))
        self._step(Happening(event=Event.REPLACE), nursery)

    def _forget_removed(self) -> None:
        """An instance is gone for good, and what was meant for it; its bundle too, unless the next one has it."""
        removed = self._effects.take_removed()
        if removed is None:
            return
        self._replacement.forget()
        self._updates.forget()
        if self._target is None or self._target.bundle.digest != removed:
            self._outside.sweep()

    def _publish(self) -> None:
        live = self._effects.live
        self._publisher.publish(
            self._life,
            self._policy,
            live.state if live is not None else None,
            self.shown_target,
            problems=self._problems,
            refusal=self._replacement.message
            or self._updates.refusal
            or self._effects.trouble
            or (live.stale if live is not None else "")
            or self._trial.explain(self._life),
            held=self.held,
            building=self.building,
            told=self._target or self.target,
            trial=self._trial,
            health=live.health if live is not None else HealthReport(),
        )
