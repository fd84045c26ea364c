"""Files of the host that definitions go by: what makes which of them something else, and what is left as it was."""

from collections.abc import Mapping

import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.core.parse import Parser
from orchestrator.model.action import Broken, Target
from orchestrator.model.definition import Definition
from orchestrator.model.facts import DigestAnswer, DigestQuestion, PathKind, Question, TextQuestion
from orchestrator.model.problem import Fault
from orchestrator.model.registry import Registry
from orchestrator.model.source import Source
from orchestrator.model.spec import EnvFileUse
from orchestrator.model.state import PublicState
from orchestrator.tasks.compile import Compiled, compile_sources
from orchestrator.testing.directory import FakeWorld
from tests.tasks.helpers_reconcile import PASSWD, WEB, Stage, open_stage

ENV = WEB + 'env_files = ["/etc/web.env"]\n'
UNWATCHED = WEB + 'env_files = [{ path = "/etc/web.env", watch = false }]\n'
READY = '{"process": {"args": ["web"]}, "root": {"path": "rootfs"}, "hostname": "%s"}'


class Bench:
    """Compiles what there is again and again, and counts what is parsed for it."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.world = FakeWorld(texts=PASSWD)
        self.world.digests["/etc/web.env"] = DigestAnswer("one")
        self.sources = [Source(name, f"{name}.toml", text) for name, text in texts.items()]
        self.parser = _CountingParser(Registry())
        self.compiled: dict[str, Compiled] = {}

    async def compile(self) -> set[str]:
        """Compile; the names whose result is another than before."""
        self.world.asked.clear()
        self.parser.parsed.clear()
        before, self.compiled = (
            self.compiled,
            await compile_sources(self.sources, self.compiled, self.parser, self.world),
        )
        return {
            name for name, each in self.compiled.items() if name not in before or before[name].result != each.result
        }

    def target(self, name: str = "web") -> Target:
        result = self.compiled[name].result
        assert isinstance(result, Target), result
        return result


class _CountingParser(Parser):
    def __init__(self, registry: Registry) -> None:
        super().__init__(registry)
        object.__setattr__(self, "parsed", [])

    parsed: list[str]

    def parse(self, source: Source) -> Definition | tuple[Fault, ...]:
        self.parsed.append(source.name)
        return super().parse(source)


async def test_what_a_watched_file_says_makes_that_one_another() -> None:
    bench = Bench({"web": ENV, "off": UNWATCHED, **{f"other{number}": WEB for number in range(20)}})
    await bench.compile()
    before = bench.target().bundle.digest
    assert bench.compiled["web"].depends == {"/etc/web.env"}
    assert bench.compiled["off"].depends == bench.compiled["other0"].depends == frozenset()
    assert await bench.compile() == set()
    assert bench.parser.parsed == []
    assert bench.world.asked == [DigestQuestion("/etc/web.env")]
    bench.world.digests["/etc/web.env"] = DigestAnswer("two")
    assert await bench.compile() == {"web"}
    assert bench.parser.parsed == ["web"]
    assert bench.target().bundle.digest != before
    bench.world.digests["/etc/web.env"] = DigestAnswer("one")
    assert await bench.compile() == {"web"}
    assert bench.target().bundle.digest == before


async def test_without_such_a_file_nothing_is_asked_again() -> None:
    bench = Bench({"web": WEB, "off": UNWATCHED})
    await bench.compile()
    assert await bench.compile() == set()
    assert bench.world.asked == []


async def test_passwd_makes_nothing_another_until_the_file_does() -> None:
    bench = Bench({"web": ENV + 'user = "web"\n'})
    bench.world.texts = {"/etc/passwd": "web:x:7:7::/:/bin/sh\n", "/etc/group": ""}
    await bench.compile()
    bench.world.texts["/etc/passwd"] = "web:x:8:8::/:/bin/sh\n"
    assert await bench.compile() == set()
    bench.world.digests["/etc/web.env"] = DigestAnswer("two")
    await bench.compile()
    assert bench.target().bundle.config["process"]["user"]["uid"] == 8


async def test_a_file_that_goes_bad_is_a_problem_until_it_is_mended() -> None:
    bench = Bench({"web": ENV})
    await bench.compile()
    before = bench.target()
    for answer in (DigestAnswer(None, "no such file or directory"), DigestAnswer(None, "line 3: it is none")):
        bench.world.digests["/etc/web.env"] = answer
        await bench.compile()
        broken = bench.compiled["web"]
        assert isinstance(broken.result, Broken)
        (problem,) = broken.result.problems
        assert (problem.line, problem.message) == (3, f'cannot use "/etc/web.env": {answer.detail}')
        assert broken.depends == {"/etc/web.env"}
    bench.world.digests["/etc/web.env"] = DigestAnswer("one")
    await bench.compile()
    assert bench.target() == before


async def test_a_file_that_is_not_watched_is_awaited_while_it_is_bad() -> None:
    bench = Bench({"web": UNWATCHED})
    bench.world.digests["/etc/web.env"] = DigestAnswer(None, "line 3: it is none")
    await bench.compile()
    assert bench.compiled["web"].depends == {"/etc/web.env"}
    bench.world.digests["/etc/web.env"] = DigestAnswer("one")
    await bench.compile()
    assert bench.target().bundle.env_files == (EnvFileUse("/etc/web.env", None),)
    assert bench.compiled["web"].depends == frozenset()


async def test_a_file_that_does_not_answer_is_taken_to_say_what_it_said() -> None:
    bench = Bench({"web": ENV})
    await bench.compile()
    question: Question = DigestQuestion("/etc/web.env")
    bench.world.unanswered = frozenset({question})
    bench.world.digests["/etc/web.env"] = DigestAnswer(None, "it does not answer")
    assert await bench.compile() == set()
    assert bench.compiled["web"].depends == frozenset(), "to watch it would be to hang"
    bench.world.unanswered = frozenset()
    bench.world.digests["/etc/web.env"] = DigestAnswer("two")
    assert await bench.compile() == {"web"}
    assert bench.compiled["web"].depends == {"/etc/web.env"}


async def test_a_profile_and_the_config_of_a_ready_bundle_are_followed() -> None:
    bench = Bench({"profile": WEB + 'seccomp = "/etc/own.json"\n', "ready": 'bundle = "/srv/web"\n'})
    bench.world.texts |= {
        "/etc/own.json": '{"defaultAction": "SCMP_ACT_ALLOW"}',
        "/srv/web/config.json": READY % "one",
    }
    bench.world.paths |= {"/srv/web": PathKind.DIRECTORY, "/srv/web/config.json": PathKind.FILE}
    await bench.compile()
    assert bench.compiled["profile"].depends == {"/etc/own.json"}
    assert bench.compiled["ready"].depends == {"/srv/web/config.json"}
    assert await bench.compile() == set()
    assert set(bench.world.asked) == {TextQuestion("/etc/own.json"), TextQuestion("/srv/web/config.json")}
    bench.world.texts["/etc/own.json"] = '{"defaultAction": "SCMP_ACT_LOG"}'
    assert await bench.compile() == {"profile"}
    bench.world.texts["/srv/web/config.json"] = READY % "two"
    assert await bench.compile() == {"ready"}
    assert bench.target("ready").bundle.config["hostname"] == "two"


async def test_a_watched_file_replaces_and_an_unwatched_does_not(autojump_clock: MockClock) -> None:
    def with_file(stage: Stage) -> None:
        stage.world.digests["/etc/web.env"] = DigestAnswer("one")

    async with open_stage({"web": ENV, "off": UNWATCHED, "db": WEB}, with_file) as stage:
        assert stage.directory.contents == {"/etc/web.env"}
        before = stage.pids()
        stage.directory.hint()
        await stage.settle()
        assert stage.pids() == before
        stage.world.digests["/etc/web.env"] = DigestAnswer("two")
        stage.directory.hint()
        await stage.settle()
        after = stage.pids()
        assert after["web"] not in (None, before["web"])
        assert {**after, "web": 0} == {**before, "web": 0}
        stage.world.digests["/etc/web.env"] = DigestAnswer(None, "no such file or directory")
        stage.directory.hint()
        await stage.settle()
        assert stage.pids() == after
        assert stage.state("web").state is PublicState.RUNNING
        assert len(stage.state("web").problems) == 1
        assert stage.directory.contents == {"/etc/web.env"}


async def test_a_file_that_is_bad_at_a_start_fails_it_with_backoff(autojump_clock: MockClock) -> None:
    message = "cannot read the variables of /etc/web.env: no such file or directory"

    def with_file(stage: Stage) -> None:
        stage.world.digests["/etc/web.env"] = DigestAnswer("one")
        stage.disk.fail("prepare_instance", message, times=2)

    async with open_stage({"web": ENV}, with_file) as stage:
        await trio.sleep(5)
        assert stage.state("web").state is PublicState.RUNNING
        assert any(message in line for line in stage.lines)


def test_what_was_said_is_in_no_repr() -> None:
    compiled = Compiled(Source("web", "web.toml", ""), Broken(()), answers={TextQuestion("/x"): "told-to-nobody"})
    assert "told-to-nobody" not in repr(evolve(compiled, parsed=False))
