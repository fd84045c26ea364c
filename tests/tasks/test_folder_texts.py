"""Kinds that go by what the files of a folder say: which change makes a container another."""

import json
from collections.abc import Iterable

from attrs import frozen

from orchestrator.core.parse import Parser
from orchestrator.model.action import Broken, Target
from orchestrator.model.facts import Facts, PathKind, Question, TextsQuestion
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


def cdi_file(value: str) -> str:
    """A file with a device that brings along a variable."""
    device = {"name": "a", "containerEdits": {"env": [f"VALUE={value}"]}}
    return json.dumps({"cdiVersion": "0.7.0", "kind": "vendor.com/x", "devices": [device]})


def hook_file(argument: str) -> str:
    """A file with a hook that is run for every container."""
    hook = {"path": "/bin/true", "args": ["true", argument]}
    return json.dumps({"version": "1.0.0", "hook": hook, "when": {"always": True}, "stages": ["poststop"]})


async def test_another_cdi_file_or_hook_makes_another_container_of_who_names_them() -> None:
    paths = {"/bin/true": PathKind.FILE, "/etc/hooks.d": PathKind.DIRECTORY}
    world, parser = FakeWorld(paths, PASSWD), Parser(Registry())
    sources = [
        Source("cdi", "cdi.toml", f'{WEB}devices = ["vendor.com/x=a"]\n'),
        Source("hook", "hook.toml", f'{WEB}hooks_dirs = ["/etc/hooks.d"]\n'),
        Source("other", "other.toml", WEB),
    ]
    compiled: dict[str, Compiled] = {}

    async def compile_again() -> set[str]:
        """The names whose result is another than before."""
        nonlocal compiled
        before, compiled = compiled, await compile_sources(sources, compiled, parser, world)
        return {name for name, each in compiled.items() if name not in before or before[name].result != each.result}

    world.folder_texts = {"/etc/cdi": (("v.json", cdi_file("1")),), "/etc/hooks.d": (("h.json", hook_file("1")),)}
    await compile_again()
    assert all(isinstance(each.result, Target) for each in compiled.values()), compiled
    assert compiled["cdi"].depends == {"/etc/cdi", "/etc/cdi/v.json", "/var/run/cdi"}
    assert compiled["hook"].depends == {"/etc/hooks.d", "/etc/hooks.d/h.json"}
    assert await compile_again() == set()
    world.folder_texts["/etc/cdi"] = (("v.json", cdi_file("2")),)
    assert await compile_again() == {"cdi"}
    world.folder_texts["/var/run/cdi"] = (("v.json", cdi_file("3")),)
    assert await compile_again() == {"cdi"}
    world.folder_texts["/etc/hooks.d"] = (("h.json", hook_file("2")),)
    assert await compile_again() == {"hook"}
    world.folder_texts["/etc/hooks.d"] = (("h.json", "{"),)
    assert await compile_again() == {"hook"}
    assert isinstance(compiled["hook"].result, Broken)
    assert compiled["hook"].depends == {"/etc/hooks.d", "/etc/hooks.d/h.json"}, "so that its mending is seen"
    world.folder_texts["/etc/hooks.d"] = ()
    assert await compile_again() == {"hook"}
    assert isinstance(compiled["hook"].result, Target)
