"""What kinds ask with ``watch``: another answer makes a definition another, no answer leaves it as it was."""

from collections.abc import Iterable

from attrs import frozen

from orchestrator.core.parse import Parser
from orchestrator.model.action import Broken, Target
from orchestrator.model.facts import Facts, Question, StampAnswer, StampQuestion, TextQuestion
from orchestrator.model.kinds import Use
from orchestrator.model.problem import Fault
from orchestrator.model.registry import Group, Registry
from orchestrator.model.source import Source
from orchestrator.plugin import Contribution
from orchestrator.tasks.compile import Compiled, compile_sources
from orchestrator.testing.directory import FakeWorld
from tests.tasks.helpers_reconcile import PASSWD, WEB

TEXT = TextQuestion("/etc/motd", watch=True)
STAMP = StampQuestion("/etc/key", watch=True)
ONCE = TextQuestion("/etc/once")


@frozen(kw_only=True)
class Asking:
    """A network whose container has what files say in its variables."""

    def questions(self) -> Iterable[Question]:
        return (TEXT, STAMP, ONCE)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        if facts.texts[TEXT] is None:
            return Contribution(faults=(Fault((), "says nothing"),))
        env = {"TEXT": str(facts.texts[TEXT]), "STAMP": str(facts.stamps[STAMP.path]), "ONCE": str(facts.texts[ONCE])}
        return Contribution(env=env)


class Bench:
    """Compiles one definition again and again."""

    def __init__(self) -> None:
        self.world = FakeWorld(texts={**PASSWD, TEXT.path: "one", ONCE.path: "one"})
        self.world.stamps[STAMP.path] = StampAnswer(1, 1, 1, 1)
        self.compiled: dict[str, Compiled] = {}
        self.source = Source("web", "web.toml", WEB + 'network = "asking"\n')

    async def compile(self) -> bool:
        """Whether it is another now."""
        self.world.asked.clear()
        before = self.compiled
        parser = Parser(Registry().with_kind(Group.NETWORKS, "asking", Asking))
        self.compiled = await compile_sources([self.source], before, parser, self.world)
        return not before or before["web"].result != self.compiled["web"].result

    @property
    def target(self) -> Target:
        result = self.compiled["web"].result
        assert isinstance(result, Target), result
        return result


async def test_another_answer_makes_it_another() -> None:
    bench = Bench()
    await bench.compile()
    assert bench.compiled["web"].depends == {TEXT.path, STAMP.path}
    first = bench.target.bundle.digest
    assert not await bench.compile()
    assert set(bench.world.asked) == {TEXT, STAMP}
    bench.world.texts[TEXT.path] = "two"
    assert await bench.compile()
    second = bench.target.bundle.digest
    bench.world.stamps[STAMP.path] = StampAnswer(2, 2, 1, 2)
    assert await bench.compile()
    assert len({first, second, bench.target.bundle.digest}) == 3


async def test_without_the_word_nothing_is_asked_again() -> None:
    bench = Bench()
    await bench.compile()
    bench.world.texts[ONCE.path] = "two"
    assert not await bench.compile()


async def test_what_does_not_answer_is_taken_to_say_what_it_said() -> None:
    bench = Bench()
    await bench.compile()
    bench.world.unanswered = frozenset({TEXT})
    bench.world.texts.pop(TEXT.path)
    assert not await bench.compile()
    assert bench.compiled["web"].depends == {STAMP.path}, "to watch it would be to hang"
    bench.world.unanswered = frozenset()
    bench.world.texts[TEXT.path] = "two"
    assert await bench.compile()


async def test_one_that_is_wrong_is_mended_by_another_answer() -> None:
    bench = Bench()
    text = bench.world.texts.pop(TEXT.path)
    await bench.compile()
    assert isinstance(bench.compiled["web"].result, Broken)
    assert bench.compiled["web"].depends >= {TEXT.path, STAMP.path}
    bench.world.texts[TEXT.path] = text
    await bench.compile()
    assert dict(each.split("=", 1) for each in bench.target.bundle.config["process"]["env"])["TEXT"] == "one"
