"""What people and programs are told of generations."""

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

from orchestrator.core.fields import describe_fields
from orchestrator.core.generations import digest_text
from orchestrator.core.history import (
    UNIMPORTANT,
    describe_changed,
    describe_difference,
    describe_marks,
    diff_generations,
    difference_to_json,
    list_heads,
    listed_to_json,
)
from orchestrator.core.parse import Parser
from orchestrator.model.action import FieldChange
from orchestrator.model.definition import Definition
from orchestrator.model.generation import Accepted, Changed, Difference, Generation, How, NameChange
from orchestrator.model.registry import Registry
from orchestrator.model.source import Source
from tests.core.helpers_generations import PLUGINS, follow, make_one, make_target, text_of

A = text_of("a")
PARSER = Parser(Registry())


def describe_from(*texts: str) -> Any:  # noqa: ANN401 - the callable that is under test takes it
    """What a definition asks for, by its text's digest; a text that is not given is said not to be known."""
    by_digest = {digest_text(text): text for text in texts}

    def describe(accepted: Accepted) -> Mapping[str, Any] | str:
        text = by_digest.get(accepted.digest)
        if text is None:
            return "its text is gone"
        definition = PARSER.parse(Source("web", "web.toml", text))
        assert isinstance(definition, Definition)
        return describe_fields(definition, PARSER.registry)

    return describe


def diff(old: Generation, new: Generation, *texts: str) -> Difference:
    return diff_generations(old, new, describe_from(*texts))


@pytest.mark.parametrize(("pinned", "marks"), [(None, ["", "", "live"]), (2, ["", "live, pinned", ""])])
def test_one_is_live(pinned: int | None, marks: list[str]) -> None:
    heads = [make_one(number, web=A).head for number in (1, 2, 3)]
    assert [describe_marks(each) for each in list_heads(heads, pinned)] == marks


def test_a_list_of_none() -> None:
    assert list_heads([], None) == ()


def test_the_json_is_as_documented() -> None:
    (listed,) = list_heads([make_one(web=A).head], 1)
    assert listed_to_json(listed) == {
        "number": 1,
        "at": "1970-01-01T00:01:41.000Z",
        "live": True,
        "pinned": True,
        "definitions": 1,
        "changed": {"added": ["web"], "removed": [], "changed": [], "plugins": []},
    }


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (Changed(), ""),
        (Changed(added=("a",)), "added a"),
        (Changed(added=("a", "b", "c", "d", "e"), removed=("x",)), "added a, b, c and 2 more; removed x"),
        (Changed(changed=("a",), plugins=("orchestrator.mounts/bind",)), "changed a; plugins orchestrator.mounts/bind"),
    ],
)
def test_what_changed_in_a_few_words(changed: Changed, words: str) -> None:
    assert describe_changed(changed) == words


def test_generations_that_do_not_differ() -> None:
    same = diff(make_one(1, web=A), make_one(2, web=A))
    assert list(describe_difference(same)) == ["generations 1 and 2 do not differ"]


def test_names_that_come_and_go_and_fields_that_change() -> None:
    other = A + 'cwd = "/srv"\n'
    difference = diff(make_one(1, web=A, old=A), make_one(2, web=other, new=A), A, other)
    assert list(describe_difference(difference)) == [
        "new: added",
        "old: removed",
        "web: changed",
        '  cwd: default → "/srv"',
    ]
    assert difference_to_json(difference) == {
        "old": 1,
        "new": 2,
        "names": [
            {"name": "new", "how": "added", "fields": [], "note": ""},
            {"name": "old", "how": "removed", "fields": [], "note": ""},
            {"name": "web", "how": "changed", "fields": [{"path": "cwd", "old": None, "new": "/srv"}], "note": ""},
        ],
        "plugins": [],
    }


def test_what_means_nothing_is_said_to() -> None:
    old = make_one(1, web=A)
    commented = f"# better\n{A}"
    new = follow(old, {"web": make_target("web", commented, old.definitions["web"].bundle)}, 2)
    assert diff(old, new, A, commented).names == (NameChange(name="web", how=How.CHANGED, note=UNIMPORTANT),)


def test_what_the_host_made_another_of() -> None:
    old = follow(None, {"web": make_target("web", A, "1" * 64)}, 1)
    new = follow(old, {"web": make_target("web", A, "2" * 64)}, 2)
    change = FieldChange("host:bundle", "1" * 12, "2" * 12)
    assert diff(old, new, A).names == (NameChange(name="web", how=How.CHANGED, fields=(change,)),)


def test_a_text_that_cannot_be_read() -> None:
    (change,) = diff(make_one(1, web=A), make_one(2, web=text_of("b")), A).names
    assert (change.how, change.note) == (How.CHANGED, "its text is gone")


def test_plugins_that_come_and_go() -> None:
    old = make_one(1, web=A)
    new = Generation(evolve(old.head, number=2, plugins={"orchestrator.mounts/zfs": "zfs 1"}), old.definitions)
    assert list(describe_difference(diff(old, new))) == [
        f"plugin orchestrator.mounts/bind: {PLUGINS['orchestrator.mounts/bind']} → none",
        "plugin orchestrator.mounts/zfs: none → zfs 1",
    ]
