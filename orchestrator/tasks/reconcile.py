"""Makes the running set follow the directory: read, compile, plan, tell each supervision. Floor: tasks.

Level-triggered: a hint from the watch only says "look again", and what is there now decides. The first hint acts at
once; hints that come while a plan is made form the next one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from functools import partial

import trio
from attrs import define, field

from orchestrator.core.listing import refuse_doubled, sort_sources
from orchestrator.core.parse import Parser
from orchestrator.core.plan import Observed, plan_actions
from orchestrator.core.planned import describe_plan
from orchestrator.model.action import Broken, Keep, Planned, Stop, Target
from orchestrator.model.pluginfile import PluginFile
from orchestrator.model.problem import Problem
from orchestrator.model.sockets import ListenSpec
from orchestrator.model.store import StoreLink
from orchestrator.ports import Directory, DiskFailed, Refused, World
from orchestrator.ports.plugins import Plugins
from orchestrator.tasks.compile import Compiled, compile_sources
from orchestrator.tasks.grace import Grace
from orchestrator.tasks.history import History
from orchestrator.tasks.holds import Holds
from orchestrator.tasks.linking import LinkCheck, Standing
from orchestrator.tasks.nixfiles import NixFiles
from orchestrator.tasks.outside import Outside
from orchestrator.tasks.supervise import Supervision
from orchestrator.tasks.takeover import Adopted

VANISHED_GRACE = 1.0
"""Seconds that a file must be gone before its container is stopped: editors rename the old file away first."""
BETWEEN_PLANS = 0.05
"""Seconds from one plan to the next at least, so that a burst of hints is one plan."""
LOOK_AT_MOST = 120.0
"""Seconds that a look may take: what it asks of the host has deadlines of its own, and compiling thousands of
definitions takes some."""


@define
class _PlanQuestion:
    """Somebody wants to know what the next look finds to do."""

    answered: trio.Event = field(factory=trio.Event)
    planned: tuple[Planned, ...] = ()
    error: str | None = None


class Reconciler:
    """The directory on one side, the supervisions on the other."""

    def __init__(
        self,
        directory: Directory,
        world: World,
        plugins: Plugins,
        outside: Outside,
        holds: Holds,
        history: History,
        nix: NixFiles,
        on_directory: Callable[[str, tuple[Problem, ...]], None],
        always_watched: Iterable[str] = (),
    ) -> None:
        """plugins: where kinds come from. holds: what an operator has stopped. history: what was accepted before, which
        may count instead of what the directory says. nix: what definitions that are Nix expressions are built to.
        on_directory: called at each plan with what is wrong with the directory as a whole. always_watched: paths beside
        it that are a reason to plan when they come or go."""
        self._directory = directory
        self._world = world
        self._plugins = plugins
        self._parser = plugins.plugged.parser
        self._outside = outside
        self._holds = holds
        self._history = history
        self._nix = nix
        self._on_directory = on_directory
        self._always_watched = frozenset(always_watched)
        directory.watch_also(self._always_watched)
        self._compiled: dict[str, Compiled] = {}
        """What each file says alone."""
        self._link_check = LinkCheck()
        self._followed: Mapping[str, Compiled] = {}
        """What the names are to be: as the directory says, or as was kept of what it said before."""
        self._vanished = Grace(VANISHED_GRACE)
        self._orphaned = Grace(VANISHED_GRACE)
        """Held names without a file."""
        self._unclaimed = Grace(VANISHED_GRACE)
        """Names that an earlier agent has left, and that no file was seen of yet."""
        self._followed_before: Mapping[str, tuple[StoreLink, ...]] = {}
        """The links into a store that an earlier agent followed, by name."""
        self._to_recall: dict[str, str] = {}
        """The bundles that an earlier agent knew to be good, until it is known how they are made."""
        self._plugin_problems: tuple[Problem, ...] = ()
        self._was_read = self._was_told = False
        self._supervisions: dict[str, Supervision] = {}
        self._waiting = trio.CancelScope()
        self._look_at_once = False
        self._compile_anew = False
        self._nursery: trio.Nursery | None = None
        self._plans_asked: list[_PlanQuestion] = []
        self._looks_asked: list[Callable[[], None]] = []
        self._looking_since: float | None = None

    async def run(
        self, supervisions: trio.Nursery, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Follow the directory until cancelled. Reports itself started when the first plan has been told.

        supervisions: where the supervisions run; they outlive this task.
        """
        started = False
        self._nursery = supervisions
        while True:
            planned_at = self._looking_since = trio.current_time()
            try:
                await self._plan_once(supervisions)
            finally:
                self._looking_since = None
            if not started:
                task_status.started()
                started = True
            with trio.CancelScope(deadline=self._next_vanishing()) as self._waiting:
                if not self._look_at_once:
                    await self._directory.wait_changed()
            await trio.sleep_until(planned_at + BETWEEN_PLANS)

    def take_over(self, adopted: Collection[Adopted], supervisions: trio.Nursery) -> None:
        """Go on with what an earlier agent has left; what it is to be follows from the first look."""
        standings = ((one.name, one.standing) for one in adopted)
        self._to_recall = {name: each.good for name, each in standings if each is not None and each.good is not None}
        self._followed_before = {one.name: one.before.store_links for one in adopted if one.before is not None}
        for one in adopted:
            known = self._supervisions[one.name] = Supervision(one.name, self._outside, one)
            # Of a wish that had not been heard yet the plan is to tell once more.
            known.held = one.name in self._holds.names and not one.resumption.life.wanted
            if not known.held and not one.resumption.life.wanted:
                known.target = None
            supervisions.start_soon(known.run, name=f"supervise {one.name}")

    def is_stuck(self) -> bool:
        """Whether the look under way has taken longer than any may. It is not while it waits for changes."""
        return self._looking_since is not None and trio.current_time() > self._looking_since + LOOK_AT_MOST

    def look_again(self, world: World | None = None, when_done: Callable[[], None] = lambda: None) -> None:
        """Compile everything anew, as the directory and the world are now: an operator's word, where no hint comes.

        world: instead of the one so far. when_done: called when all was looked at, and everyone told what follows.
        """
        self._world = world or self._world
        self._compile_anew = True
        self._plugins.look_again()
        self._history.look_again()
        self._looks_asked.append(when_done)
        self._hint()

    def follow_again(self) -> None:
        """Look again, since something else is to be followed now."""
        self._hint()

    async def follow_world(self) -> None:
        """Plan again when what did not answer may answer now, until cancelled."""
        while True:
            await self._world.wait_news()
            self._hint()

    def _hint(self) -> None:
        self._look_at_once = True
        self._waiting.cancel()

    def stop_all(self) -> None:
        """Tell every supervision to stop. To be called when `run` has ended, or it would start them again."""
        for supervision in self._supervisions.values():
            supervision.tell(Stop())

    @property
    def names(self) -> tuple[str, ...]:
        """The names that there is something to tell of, sorted."""
        return tuple(sorted(name for name, each in self._supervisions.items() if _is_there(each)))

    @property
    def parser(self) -> Parser:
        """What definitions are read with, as of the last look."""
        return self._parser

    @property
    def world(self) -> World:
        """What facts are gathered from."""
        return self._world

    def find(self, name: str) -> Supervision | None:
        """The supervision of a name, if it is one of `names`."""
        known = self._supervisions.get(name)
        return known if known is not None and _is_there(known) else None

    def wanted(self, name: str) -> Target | None:
        """What a name is to be if it is started now; None where nothing is known but problems."""
        want = self._desired().get(name)
        return want.instead if isinstance(want, Broken) else want

    def is_down(self, name: str) -> bool:
        """Whether a name is there and not to run, for now, as `orchestrator.core.order` has it."""
        return self._outside.order.is_down(name)

    async def plan(self) -> tuple[Planned, ...]:
        """What the next look at the directory, which is now, finds to do. Raises Refused where it cannot be read."""
        question = _PlanQuestion()
        self._plans_asked.append(question)
        self._hint()
        await question.answered.wait()
        if question.error is not None:
            raise Refused(question.error)
        return question.planned

    def tell_again(self) -> None:
        """Tell every supervision what follows from a hold that has come or gone. To be called while `run` runs."""
        assert self._nursery is not None, "nothing is held or released before the first plan"
        self._tell(self._nursery)

    def note_building(self, name: str, progress: str) -> None:
        """How far the build of a definition is, or empty."""
        known = self._supervisions.get(name)
        if known is not None and not known.gone:
            known.note_building(progress)

    def hurry_all(self) -> None:
        """Kill what is being stopped without waiting for its time to run out."""
        for supervision in self._supervisions.values():
            supervision.hurry()

    def write_again_all(self) -> None:
        """What was written down in the run directory is gone: write it once more."""
        for supervision in self._supervisions.values():
            supervision.write_again()

    def bundles_in_use(self) -> frozenset[str]:
        """The digests of the bundles that any name needs on disk."""
        return frozenset(digest for each in self._supervisions.values() for digest in each.bundles_in_use)

    def sockets_in_use(self) -> dict[str, frozenset[ListenSpec] | None] | None:
        """The sockets that are to be held, by name, as `Supervision` has them; None before anybody was told anything,
        when they are all that an earlier agent has held."""
        return {name: each.sockets_in_use for name, each in self._supervisions.items()} if self._was_told else None

    async def _plan_once(self, supervisions: trio.Nursery) -> None:
        self._look_at_once = False
        # Who asks while this look is under way is answered by the next one: it began before the question.
        asked, self._plans_asked = self._plans_asked, []
        looks_asked, self._looks_asked = self._looks_asked, []
        known = self._compiled
        listing = await self._directory.read()
        files = sort_sources(listing.sources)
        if listing.error is None:
            await self._follow_plugins(listing.plugins)
        if listing.error is None:
            anew, self._compile_anew = self._compile_anew, False
            translated = await self._nix.translate(files.sources.values(), self._world, anew=anew)
            before = {} if anew else self._compiled
            compiled = await compile_sources(
                translated.sources, before, self._parser, self._world, self._followed_before
            )
            compiled = {**translated.mark_watched(compiled), **translated.unbuilt}
            self._nix.find_places(compiled)
            compiled |= {name: Compiled(doubled[0], refuse_doubled(doubled)) for name, doubled in files.doubled.items()}
            self._compiled = {**self._linger(compiled), **compiled}
        else:
            # A directory that cannot be read says nothing, of no name: what runs goes on, and no grace runs out.
            for grace in (self._vanished, self._orphaned, self._unclaimed):
                grace.forget()
        follow = partial(self._history.follow, parser=self._parser, world=self._world)
        followed = await self._link_check.check_and_follow(self._compiled, self._standing(), follow)
        self._followed = followed.names
        looked_at = (*self._compiled.values(), *self._followed.values())
        awaited = frozenset(path for each in looked_at for path in each.awaits)
        contents = frozenset(path for each in looked_at for path in each.depends)
        self._directory.watch_also(self._always_watched | awaited, contents)
        self._on_directory(
            listing.error or self._directory.message, (*self._plugin_problems, *files.misnamed, *followed.unfollowed)
        )
        says = listing.error is None and not self._history.is_lost
        first = says and not self._was_read
        if says:
            self._was_read = True
            self._release_gone(known.keys() - self._compiled.keys())
            self._note_unclaimed()
            await self._history.accept(self._followed)
        for name, good in (await self._history.recall(self._to_recall, self._parser, self._world)).items():
            self._supervisions[name].recall(good)
        self._to_recall = {}
        if asked:
            self._answer_plans(asked, listing.error)
        self._tell(supervisions)
        self._was_told = self._was_told or says
        if first:
            self._outside.sweep()  # an earlier agent may have left what no name needs by now
        self._outside.order.open()
        for when_done in looks_asked:
            when_done()

    async def _follow_plugins(self, files: Iterable[PluginFile]) -> None:
        plugged = await self._plugins.follow(files)
        self._parser, self._plugin_problems = plugged.parser, plugged.problems
        self._history.use_plugins(plugged.versions)

    def _release_gone(self, vanished: Set[str]) -> None:
        """A hold ends with the file of its name: with ``vanished`` ones, whose grace is over, and after the same grace
        with those that this agent has never seen, since its first look may fall into a rename. What the directory says
        ends none while it is not followed."""
        if self._history.pinned is not None:
            return
        gone = self._holds.names - self._compiled.keys()
        self._orphaned.renew(gone, trio.current_time())
        self._orphaned.forget(vanished)
        try:
            self._holds.release({name for name in gone if name not in self._orphaned})
        except DiskFailed as error:
            self._outside.report.say(str(error))

    def _note_unclaimed(self) -> None:
        """What was left and has no file is stopped after the grace too: the first look may fall into a rename."""
        left = {name for name, each in self._supervisions.items() if each.awaited}
        self._unclaimed.renew(left - self._followed.keys(), trio.current_time())

    def _answer_plans(self, asked: Iterable[_PlanQuestion], error: str | None) -> None:
        planned = describe_plan(self._desired(), self._observed(), self._holds.names)
        for question in asked:
            question.planned, question.error = planned, error
            question.answered.set()

    def _desired(self) -> dict[str, Target | Broken]:
        if not self._was_read and (self._history.pinned is None or self._history.is_lost):
            # Nobody knows yet what is wanted: what was left goes on, as where a definition has problems.
            return {name: Broken(()) for name, each in self._supervisions.items() if each.target is not None}
        return {name: each.result for name, each in self._followed.items()}

    def _observed(self) -> dict[str, Observed]:
        return {
            name: Observed(each.target, each.held)
            for name, each in self._supervisions.items()
            if not each.gone and each.target is not None and name not in self._unclaimed
        }

    def _standing(self) -> Standing:
        """Whom those come after that there are, and which ports they have."""
        there = [(name, each) for name, each in self._supervisions.items() if not each.gone and each.target is not None]
        after = {name: each.comes_after for name, each in there}
        return Standing(after, {name: each.target.claims for name, each in there if each.target and each.target.claims})

    def _linger(self, compiled: dict[str, Compiled]) -> dict[str, Compiled]:
        """The names that have vanished less than the grace ago, as they were."""
        young = self._vanished.renew(self._compiled.keys() - compiled.keys(), trio.current_time())
        return {name: self._compiled[name] for name in young}

    def _next_vanishing(self) -> float:
        return min(grace.ends_at for grace in (self._vanished, self._orphaned, self._unclaimed))

    def _tell(self, nursery: trio.Nursery) -> None:
        desired, observed = self._desired(), self._observed()
        living = {name: each for name, each in self._supervisions.items() if not each.gone}
        actions = plan_actions(desired, observed, self._holds.names)
        for name, supervision in living.items():
            if name not in desired and name not in actions and name not in self._unclaimed:
                supervision.tell(Stop())  # it was never valid, so the plan does not know it
        for name, action in actions.items():
            want = desired.get(name)
            problems, held = want.problems if isinstance(want, Broken) else (), name in self._holds.names
            known = living.get(name)
            if known is None:
                known = living[name] = Supervision(name, self._outside)
                nursery.start_soon(known.run, name=f"supervise {name}")
            elif isinstance(action, Keep) and known.problems == problems and _is_told(action, known, held):
                continue
            if known.target is None:
                known.held = held  # of what was never valid no action says so
            before = observed.get(name)
            self._outside.report.told(name, action, before.target if before is not None else None)
            known.tell(action, problems)
        for name, supervision in living.items():
            supervision.note_building(self._nix.progress_of(name))
        self._supervisions = living


def _is_there(supervision: Supervision) -> bool:
    told = bool(supervision.problems or supervision.building)
    return not supervision.gone and (supervision.target is not None or told)


def _is_told(action: Keep, known: Supervision, held: bool) -> bool:
    """Whether what is to be kept has the same text, too, and what was never valid is held as it was."""
    if known.target is None:
        return known.held == held
    same = action.instead == known.instead
    return same if action.target is None else action.target.source == known.target.source
