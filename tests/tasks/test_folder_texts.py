"""Kinds that go by what the files of a folder say: which change makes a container another."""

from collections.abc import Iterable

from attrs import frozen

from orchestrator.core.parse import Parser
from orchestrator.model.action import Broken, Target
from orchestrator.model.facts import Facts, Question, TextsQuestion
from orchestrator.model.kinds import Use
from orchestrator.model.registry import Group, Registry
from orchestrator.model.source import Source
from orchestrator.plugin import Contribution
from orchestrator.tasks.compile import Compiled, compile_sources
from orchestrator.testing.directory import FakeWorld
from tests.tasks.helpers_reconcile import PASSWD, WEB

FOLDER = TextsQuestion("/etc/listed.d", (".conf",))


@frozen
class Listed:
    """A network that has what the files of a folder say in a variable."""

    type = "listed"

    def questions(self) -> Iterable[Question]:
        return (FOLDER,)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        texts = facts.folder_texts[FOLDER] or ()
        return Contribution(env={"LISTED": ",".join(f"{name}={text}" for name, text in texts)})


async def test_another_file_or_another_text_makes_another_container() -> None:
    world, parser = FakeWorld(texts=PASSWD), Parser(Registry().with_kind(Group.NETWORKS, "listed", Listed))
    source = Source("web", "web.toml", f'{WEB}network = "listed"\n')
    compiled: dict[str, Compiled] = {}

    async def compile_again() -> str:
        nonlocal compiled
        compiled = await compile_sources([source], compiled, parser, world)
        result = compiled["web"].result
        assert isinstance(result, Target), result
        env: list[str] = result.bundle.config["process"]["env"]
        return next(each for each in env if each.startswith("LISTED"))

    assert await compile_again() == "LISTED="
    assert compiled["web"].depends == {"/etc/listed.d"}
    world.folder_texts["/etc/listed.d"] = (("a.conf", "1"), ("b.txt", "no"))
    assert await compile_again() == "LISTED=a.conf=1"
    assert compiled["web"].depends == {"/etc/listed.d", "/etc/listed.d/a.conf"}
    was = compiled["web"]
    assert await compile_again() == "LISTED=a.conf=1"
    assert compiled["web"].result is was.result, "nothing was asked but whether it is the same"
    world.folder_texts["/etc/listed.d"] = (("a.conf", "2"),)
    assert await compile_again() == "LISTED=a.conf=2"
    world.unanswered = frozenset({FOLDER})
    assert await compile_again() == "LISTED=a.conf=2", "a slow disk replaces nothing"


async def test_a_folder_that_does_not_answer_is_a_problem_of_who_needs_it() -> None:
    world, parser = FakeWorld(texts=PASSWD), Parser(Registry().with_kind(Group.NETWORKS, "listed", Listed))
    world.unanswered = frozenset({FOLDER})
    sources = [Source("web", "web.toml", f'{WEB}network = "listed"\n'), Source("other", "other.toml", WEB)]
    compiled = await compile_sources(sources, {}, parser, world)
    broken = compiled["web"].result
    assert isinstance(broken, Broken)
    (problem,) = broken.problems
    assert (problem.path, problem.message) == ("network", 'cannot read "/etc/listed.d": it does not answer')
    assert isinstance(compiled["other"].result, Target)
