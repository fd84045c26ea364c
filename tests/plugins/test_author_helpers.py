"""What authors test with beside the check: facts, definitions with a kind, instances."""

from typing import Any

import attrs
import pytest
from orchestrator_mounts.bind import Bind

import orchestrator.plugin
from orchestrator.model.facts import EntriesQuestion, FolderAnswer, PlaceQuestion
from orchestrator.model.store import NIX_STORE
from orchestrator.plugin import AbsolutePath, PathQuestion, StampQuestion, TextQuestion, TextsQuestion
from orchestrator.testing import contribute, find_problems, make_container, make_facts, make_use, read_kind


def test_each_question_of_a_plugin_is_answered() -> None:
    text, folder = TextQuestion("/etc/app.conf"), TextsQuestion("/etc/app.d", (".conf",))
    questions = (PathQuestion("/etc"), PathQuestion("/none"), StampQuestion("/etc/app.conf"), text, folder)
    files = {"/etc/app.conf": "one", "/etc/app.d/b.conf": "2", "/etc/app.d/a.conf": "1", "/etc/app.d/.c.conf": "3"}
    facts = make_facts(questions, files=files)
    assert [answer.kind.value for answer in facts.paths.values()] == ["directory", "missing"]
    assert facts.texts[text] == "one"
    assert facts.folder_texts[folder] == (("a.conf", "1"), ("b.conf", "2"))
    other = make_facts(questions, files={**files, "/etc/app.conf": "two"})
    assert facts.stamps["/etc/app.conf"] != other.stamps["/etc/app.conf"]
    assert make_facts(questions, files=files) == facts


def test_a_folder_is_listed() -> None:
    questions = (EntriesQuestion("/etc"), EntriesQuestion("/"), EntriesQuestion("/none"))
    facts = make_facts(questions, files={"/etc/a": "", "/etc/d/b": ""}, folders=["/srv"], links={"/etc/l": "/srv"})
    assert facts.entries == {
        "/etc": FolderAnswer(("d",), ("a",), (("l", "/srv"),)),
        "/": FolderAnswer(("etc", "srv"), ()),
        "/none": None,
    }


QUESTIONS = [each for name, each in vars(orchestrator.plugin).items() if name.endswith("Question") and attrs.has(each)]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each.__name__)
def test_whatever_a_plugin_may_ask_is_answered(question: type[Any]) -> None:
    given = {"path": "/x", "suffixes": (".conf",)}
    fields = [each.name for each in attrs.fields(question) if each.default is attrs.NOTHING]
    facts = make_facts([question(**{name: given[name] for name in fields})])
    asked = [table for table in attrs.asdict(facts, recurse=False).values() if isinstance(table, dict)]
    assert sum(len(table) for table in asked) == 1


def test_a_question_of_the_agent_alone_is_none_of_a_plugin() -> None:
    with pytest.raises(TypeError, match="PlaceQuestion is no question of a plugin"):
        make_facts([PlaceQuestion(NIX_STORE, "/etc")])


def test_facts_are_answers_of_a_host_that_has_what_it_is_given() -> None:
    bind = read_kind(Bind, 'source = "/srv/current"\noptions = ["ro"]')
    assert bind == Bind(source=AbsolutePath("/srv/current"), options=("ro",))
    contribution = contribute(
        bind, make_use("/data"), links={"/srv/current": "/srv/data"}, files={"/srv/data/file": ""}
    )
    assert [mount.source for mount in contribution.mounts] == ["/srv/data"]
    assert contribute(bind, make_use("/data")).faults


def test_a_mistake_is_told_as_a_user_is_told_it() -> None:
    with pytest.raises(AssertionError, match=r'web.toml:4:1: mounts."/data".sorce: unknown key.*did you mean "source"'):
        read_kind(Bind, 'sorce = "/srv"')
    text = 'args = ["/bin/true"]\nmounts."/srv" = { type = "bind", source = "/none" }\n'
    assert find_problems(Bind, text) == [
        'web.toml:2:43: mounts."/srv".source: cannot use "/none": no such file or directory '
        "(write create = true to have a folder made there)"
    ]
    assert find_problems(Bind, text, folders=["/none"]) == []


def test_an_instance_has_its_folders_where_the_agent_has_them() -> None:
    container = make_container(make_use("/data"), pid=7)
    assert container.own.startswith("/run/orchestrator/instances/web-1/own/")
    assert container.netns == "/proc/7/ns/net"
