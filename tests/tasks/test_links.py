"""Definitions that name others, as files come, go and are edited: when that is a problem, and when none any more."""

import trio
from trio.testing import MockClock

from orchestrator.core.parse import Parser
from orchestrator.model.action import Broken, Target
from orchestrator.model.problem import Problem
from orchestrator.model.registry import Registry
from orchestrator.model.source import Source
from orchestrator.ports import Operation
from orchestrator.tasks.compile import Compiled, compile_sources
from orchestrator.tasks.linking import LinkCheck
from orchestrator.testing.directory import FakeWorld
from orchestrator.testing.runtime import FakeProgram
from tests.tasks.helpers_order import finish, message, operate, removed, service, words
from tests.tasks.helpers_reconcile import PASSWD, WEB, Stage, open_stage

BROKEN = 'args = "no list"\n'
UNKNOWN = 'web.toml:3:10: after[0]: there is no definition of "db"'


def problems(stage: Stage, name: str) -> list[str]:
    return [str(problem) for problem in stage.state(name).problems]


async def test_an_unknown_name_is_a_problem_until_its_file_is_there(autojump_clock: MockClock) -> None:
    async with open_stage({"web": service(after=["db"])}) as stage:
        assert words(stage) == {"web": "invalid"}
        assert problems(stage, "web") == [UNKNOWN]
        assert stage.runtime.calls == []
        stage.directory.write("db", BROKEN)
        await stage.settle()
        assert problems(stage, "web") == []
        assert words(stage) == {"db": "invalid", "web": "running"}


async def test_what_runs_goes_on_when_one_that_it_requires_loses_its_file(autojump_clock: MockClock) -> None:
    async with open_stage({"db": WEB, "web": service(requires=["db"])}) as stage:
        before = stage.state("web")
        stage.directory.remove("db")
        await trio.sleep(5)
        assert stage.state("web").pid == before.pid
        assert problems(stage, "web") == ['web.toml:4:13: requires[0]: there is no definition of "db"']
        assert removed(stage) == ["db"]
        finish(stage, "web", 1)
        await trio.sleep(5)
        assert words(stage) == {"web": "waiting"}
        assert message(stage, "web") == "waits for db (no valid definition) to be ready"
        stage.directory.write("db", WEB)
        await stage.settle()
        assert words(stage) == {"db": "running", "web": "running"}
        assert problems(stage, "web") == []


async def test_files_that_wait_for_each_other_start_nothing_and_end_nothing(autojump_clock: MockClock) -> None:
    files = {"a": WEB, "b": service(after=["a"]), "c": service(after=["d"]), "d": service(after=["c"])}
    async with open_stage(files) as stage:
        assert words(stage) == {"a": "running", "b": "running", "c": "invalid", "d": "invalid"}
        before = stage.state("a").pid
        stage.directory.write("a", service(requires=["b"]))
        await stage.settle()
        assert problems(stage, "a") == [
            "a.toml:4:13: requires[0]: they wait for each other: a → b → a (take one of them away)"
        ]
        assert problems(stage, "b") == [
            "b.toml:3:10: after[0]: they wait for each other: b → a → b (take one of them away)"
        ]
        assert (stage.state("a").pid, words(stage)["b"]) == (before, "running")
        stage.directory.write("b", WEB)
        stage.directory.write("d", WEB)
        await stage.settle()
        assert words(stage) == dict.fromkeys("abcd", "running")
        assert [problems(stage, name) for name in "abcd"] == [[]] * 4
        assert stage.state("a").pid == before


async def test_what_is_broken_goes_on_as_it_was_and_nothing_may_wait_for_it_that_it_waits_for(
    autojump_clock: MockClock,
) -> None:
    """If both ended then, each would wait for the other for ever."""
    async with open_stage({"a": service(requires=["b"]), "b": WEB}) as stage:
        stage.directory.write("a", BROKEN)
        stage.directory.write("b", service(requires=["a"]))
        await stage.settle()
        assert problems(stage, "b") == [
            "b.toml:4:13: requires[0]: they wait for each other: b → a → b (take one of them away)"
        ]
        finish(stage, "a", 1)
        finish(stage, "b", 1)
        await stage.settle()
        assert words(stage) == {"a": "running", "b": "running"}
        stage.directory.write("a", WEB)
        await stage.settle()
        assert problems(stage, "b") == []
        operate(stage, Operation.STOP)
        await stage.settle()
        assert removed(stage)[-2:] == ["b", "a"]


async def test_nothing_may_wait_for_what_was_rolled_back_that_it_waits_for(autojump_clock: MockClock) -> None:
    rolls_back = 'on_failed_update = "rollback"\n'
    async with open_stage({"a": service(after=["b"], more=rolls_back), "b": WEB}) as stage:
        stage.runtime.set_program("a", FakeProgram(missing=True))
        stage.directory.write("a", f'{WEB}{rolls_back}env.A = "1"\n')
        await trio.sleep(2)
        stage.runtime.set_program("a", FakeProgram())
        await trio.sleep(10)
        assert message(stage, "a").startswith("rolled back: ")
        stage.directory.write("a", BROKEN)
        stage.directory.write("b", service(after=["a"]))
        await stage.settle()
        assert problems(stage, "b") == [
            "b.toml:3:10: after[0]: they wait for each other: b → a → b (take one of them away)"
        ]


async def test_a_file_that_is_only_renamed_away_is_no_problem_yet(autojump_clock: MockClock) -> None:
    async with open_stage({"db": WEB, "web": service(after=["db"])}) as stage:
        stage.directory.remove("db")
        await trio.sleep(0.5)
        assert problems(stage, "web") == []
        stage.directory.write("db", WEB)
        await stage.settle()
        assert problems(stage, "web") == []
        assert removed(stage) == []


# The check itself


async def compile_texts(texts: dict[str, str], before: dict[str, Compiled]) -> dict[str, Compiled]:
    sources = [Source(name, f"{name}.toml", text) for name, text in texts.items()]
    return await compile_sources(sources, before, Parser(Registry()), FakeWorld(texts=PASSWD))


def problems_of(compiled: Compiled) -> tuple[Problem, ...]:
    return compiled.result.problems if isinstance(compiled.result, Broken) else ()


async def test_what_has_not_changed_is_neither_compiled_nor_placed_again() -> None:
    check = LinkCheck()
    texts = {"web": service(after=["db", "zzz"]), "api": service(after=["web"])}
    compiled = await compile_texts(texts, {})
    first = check.check(compiled)
    assert len(problems_of(first["web"])) == 2
    assert isinstance(compiled["web"].result, Target), "alone it is right"
    again = await compile_texts({**texts, "db": WEB}, compiled)
    assert again["web"].result is compiled["web"].result
    second = check.check(again)
    third = check.check(again)
    assert [problem.path for problem in problems_of(second["web"])] == ["after[1]"]
    assert problems_of(second["web"])[0] is problems_of(third["web"])[0]
    assert second["api"] is again["api"], "it names one that is there"


async def test_what_is_wrong_of_a_file_alone_is_told_beside() -> None:
    text = service(after=["db"]).replace('rootfs = "host"', 'rootfs = { type = "directory", path = "/not" }')
    checked = LinkCheck().check(await compile_texts({"web": text}, {}))
    assert [problem.path for problem in problems_of(checked["web"])] == ["rootfs.path", "after[0]"]
