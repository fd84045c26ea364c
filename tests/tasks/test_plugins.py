"""Kinds that become others while containers run: what depends on them is planned again, and nothing else moves."""

import time
from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen
from orchestrator_mounts.bind import Bind
from trio.testing import MockClock

from orchestrator.core.parse import Parser
from orchestrator.model.action import Broken, Target
from orchestrator.model.problem import Problem
from orchestrator.model.registry import Origin, Unusable
from orchestrator.model.source import Source
from orchestrator.model.state import PublicState
from orchestrator.model.store import StoreLink
from orchestrator.plugin import Change, Contribution, Facts, FolderEntry, Group, Mount, Question, Registry, Use, option
from orchestrator.system.patience import KindPatience
from orchestrator.tasks.compile import Compiled, compile_sources
from orchestrator.testing.directory import FakeWorld
from tests.tasks.helpers_reconcile import PASSWD, WEB, Stage, open_stage

SCRATCH = WEB + 'mounts."/cache" = { type = "scratch", size = 4096 }\n'
PROBLEM = Problem("plugins/scratch.py", 3, 1, "", "SyntaxError: invalid syntax")
BROKEN = Unusable(reason="plugins/scratch.py:3: SyntaxError: invalid syntax", origin=Origin(place="plugins/scratch.py"))


@frozen(kw_only=True)
class Scratch:
    """As it is first."""

    type: ClassVar[str] = "scratch"
    mode: ClassVar[str] = "nosuid"
    size: int = option(doc="The most.", change=Change.REPLACE, example="4096")

    def questions(self) -> Iterable[Question]:
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        mount = Mount(use.destination, "tmpfs", "tmpfs", (self.mode, f"size={self.size}"))
        return Contribution(mounts=(mount,), entries=(FolderEntry(use.destination),))


@frozen(kw_only=True)
class SameScratch(Scratch):
    """As it is once somebody has written a comment into it."""


@frozen(kw_only=True)
class OtherScratch(Scratch):
    """As it is once it does something else."""

    mode: ClassVar[str] = "noexec"


@frozen(kw_only=True)
class FailingScratch(Scratch):
    """As it is with a mistake that shows when it is asked."""

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        raise RuntimeError("not today")


BROKEN_KINDS: list[tuple[type | Unusable | None, str]] = [
    (BROKEN, "cannot be used: plugins/scratch.py:3"),
    (FailingScratch, "failed: RuntimeError: not today (test_plugins.py, line "),
    (None, "unknown kind"),
]


def kinds(scratch: type | Unusable | None) -> Registry:
    registry = Registry().with_kind(Group.MOUNTS, "bind", Bind)
    if isinstance(scratch, Unusable):
        return registry.with_unusable(Group.MOUNTS, "scratch", scratch)
    return registry if scratch is None else registry.with_kind(Group.MOUNTS, "scratch", scratch)


def first(stage: Stage) -> None:
    stage.plugins.give(kinds(Scratch), versions={"orchestrator.mounts/scratch": "scratch.py 1"})


async def test_a_kind_that_does_something_else_replaces_those_that_use_it(autojump_clock: MockClock) -> None:
    async with open_stage({"web": SCRATCH, "db": WEB}, first) as stage:
        before = stage.pids()
        assert None not in before.values()
        stage.plugins.give(kinds(OtherScratch))
        stage.directory.hint()
        await stage.settle()
        after = stage.pids()
        assert after["web"] not in (None, before["web"])
        assert after["db"] == before["db"]


async def test_a_kind_that_does_the_same_touches_nothing(autojump_clock: MockClock) -> None:
    async with open_stage({"web": SCRATCH, "db": WEB}, first) as stage:
        calls = list(stage.runtime.calls)
        stage.plugins.give(kinds(SameScratch))
        stage.directory.hint()
        await stage.settle()
        assert stage.runtime.calls == calls


async def test_a_kind_that_cannot_be_used_moves_nothing_and_is_told(autojump_clock: MockClock) -> None:
    for broken, why in BROKEN_KINDS:
        async with open_stage({"web": SCRATCH, "db": WEB}, first) as stage:
            calls = list(stage.runtime.calls)
            stage.plugins.give(kinds(broken), [PROBLEM])
            stage.directory.hint()
            await stage.settle()
            assert stage.runtime.calls == calls
            assert stage.state("web").state is PublicState.RUNNING
            [problem] = stage.state("web").problems
            assert why in problem.message
            assert (problem.file, problem.line) == ("web.toml", 3)
            assert stage.state("db").problems == ()
            assert stage.reporter.agent.problems == (PROBLEM,)
            # It is started again by what it was made of, whatever the kind is by now.
            stage.runtime.process_of("web").finish(code=1)
            await stage.settle()
            assert stage.state("web").state is PublicState.RUNNING
            first(stage)
            stage.directory.hint()
            await stage.settle()
            assert not stage.state("web").problems
            assert not stage.reporter.agent.problems


async def test_a_kind_that_comes_later_mends_what_waited_for_it(autojump_clock: MockClock) -> None:
    async with open_stage({"web": SCRATCH}) as stage:
        assert stage.state("web").state is PublicState.INVALID
        first(stage)
        stage.directory.hint()
        await stage.settle()
        assert stage.state("web").state is PublicState.RUNNING


async def test_a_kind_that_is_another_makes_a_generation(autojump_clock: MockClock) -> None:
    async with open_stage({"web": SCRATCH}, first) as stage:
        await stage.history.write_now()
        stage.plugins.give(kinds(SameScratch), versions={"orchestrator.mounts/scratch": "scratch.py 2"})
        stage.directory.hint()
        await stage.settle()
        await stage.history.write_now()
        heads = [generation.head.plugins for _, generation in sorted(stage.generations.generations.items())]
        assert [head["orchestrator.mounts/scratch"] for head in heads] == ["scratch.py 1", "scratch.py 2"]


async def test_a_reload_is_one_of_plugins_too(autojump_clock: MockClock) -> None:
    async with open_stage({"web": WEB}) as stage:
        stage.reconciler.look_again()
        await stage.settle()
        assert stage.plugins.looks_again == 1


class _Bench:
    """Compiles what there is with the kinds that there are, and counts what is parsed for it."""

    def __init__(self, registry: Registry) -> None:
        self.sources = [Source("web", "web.toml", SCRATCH), Source("db", "db.toml", WEB), Source("no", "no.toml", "x")]
        self.compiled: dict[str, Compiled] = {}
        self.registry = registry
        self.patience = KindPatience(0.2)

    async def compile(self) -> set[str]:
        """The names that were compiled anew."""
        before = self.compiled
        self.compiled = await compile_sources(
            self.sources, before, Parser(self.registry, self.patience), FakeWorld(texts=PASSWD)
        )
        return {name for name, each in self.compiled.items() if each is not before.get(name)}


async def test_only_what_uses_a_kind_is_compiled_again_when_it_is_another() -> None:
    bench = _Bench(kinds(Scratch))
    assert await bench.compile() == {"web", "db", "no"}
    assert await bench.compile() == set()
    bench.registry = kinds(OtherScratch)
    # What cannot be read may name a kind that is there now.
    assert await bench.compile() == {"web", "no"}
    bench.registry = bench.registry.with_kind(Group.NETWORKS, "other", Scratch)
    assert await bench.compile() == {"no"}


@frozen(kw_only=True)
class _Hanging(Scratch):
    asked: ClassVar[list[str]] = []

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        self.asked.append(use.container)
        time.sleep(1000)
        return Contribution()


@frozen(kw_only=True)
class _HangingToAsk(_Hanging):
    def questions(self) -> Iterable[Question]:
        self.asked.append("questions")
        time.sleep(1000)
        return ()


@frozen(kw_only=True)
class _HangingToMake(_Hanging):
    def __attrs_post_init__(self) -> None:
        self.asked.append("make")
        time.sleep(1000)


async def test_a_kind_that_hangs_is_a_problem_of_its_definition_and_is_not_asked_again() -> None:
    for kind in (_Hanging, _HangingToAsk, _HangingToMake):
        _Hanging.asked.clear()
        bench = _Bench(kinds(kind))
        await bench.compile()
        broken = bench.compiled["web"].result
        assert isinstance(broken, Broken)
        [problem] = broken.problems
        assert problem.message.startswith('the mount kind "scratch" took longer than 0.2 s (test_plugins.py, line ')
        assert problem.line == 3
        assert isinstance(bench.compiled["db"].result, Target)
        assert await bench.compile() == set()
        assert len(_Hanging.asked) == 1
        bench.registry = kinds(Scratch)
        assert await bench.compile() == {"web", "no"}
        assert isinstance(bench.compiled["web"].result, Target)


async def test_however_many_use_a_kind_that_hangs_it_holds_all_up_for_a_bounded_time() -> None:
    _Hanging.asked.clear()
    bench = _Bench(kinds(_Hanging))
    bench.sources = [Source(f"web{number}", f"web{number}.toml", SCRATCH) for number in range(50)]
    began = time.monotonic()
    await bench.compile()
    assert time.monotonic() - began < 10
    assert len(_Hanging.asked) == 3
    problems = [each.result.problems for each in bench.compiled.values() if isinstance(each.result, Broken)]
    assert len(problems) == 50


@frozen(kw_only=True)
class _HangingNetwork:
    """It hangs when it is asked what it contributes."""

    type: ClassVar[str] = "far"

    def questions(self) -> Iterable[Question]:
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        time.sleep(1000)
        return Contribution()


async def test_a_network_that_hangs_is_not_waited_for_where_the_definition_has_other_faults() -> None:
    parser = Parser(kinds(Scratch).with_kind(Group.NETWORKS, "far", _HangingNetwork), KindPatience(0.2))
    source = Source("web", "web.toml", 'args = ["/opt/web/bin/run"]\nnetwork = "far"\n')
    led = (StoreLink("/opt/web/bin/run", "/nix/store/00000000000000000000000000000000-gone/bin/run"),)
    began = time.monotonic()
    compiled = await compile_sources([source], {}, parser, FakeWorld(texts=PASSWD), {"web": led})
    assert time.monotonic() - began < 10
    result = compiled["web"].result
    assert isinstance(result, Broken)
    assert "leads nowhere in the store any more" in result.problems[0].message
