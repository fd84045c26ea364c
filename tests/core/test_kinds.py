"""What is told of the kinds of plugins."""

from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen
from orchestrator_mounts.bind import Bind
from orchestrator_networks.none import NoNetwork

from orchestrator.core.kinds import list_kinds, write_page, write_row
from orchestrator.plugin import (
    Change,
    Contribution,
    Facts,
    Group,
    Origin,
    Question,
    Registry,
    Size,
    Unusable,
    Use,
    option,
)

OURS = Origin(distribution="oci-orchestrator", version="1.0", place="orchestrator_mounts.bind:Bind", builtin=True)
THEIRS = Origin(distribution="their-mounts", version="2.3", place="their_mounts:Scratch")
FILE = Origin(version="abc", place="/etc/orchestrator/plugins/odd.py")


@frozen(kw_only=True)
class Scratch:
    """An empty folder in memory. It is gone with the container.

    This is for authors.
    """

    type: ClassVar[str] = "scratch"
    size: Size = option(doc="The most that it holds.", change=Change.REPLACE, minimum=4096, example='"16M"')
    mode: int = option(default=0o755, doc="Its mode.", change=Change.REPLACE, example="493")

    def questions(self) -> Iterable[Question]:
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        return Contribution()


@frozen(kw_only=True)
class Odd(Scratch):
    """Its option is of a type that no file can hold."""

    type: ClassVar[str] = "odd"
    strange: complex = option(default=1j, doc="No.", change=Change.REPLACE, example="1")


REGISTRY = (
    Registry()
    .with_kind(Group.NETWORKS, "none", NoNetwork)
    .with_kind(Group.MOUNTS, "scratch", Scratch, THEIRS)
    .with_kind(Group.MOUNTS, "bind", Bind, OURS)
    .with_kind(Group.MOUNTS, "odd", Odd, FILE)
    .with_unusable(Group.NETWORKS, "none-too", Unusable(reason="cannot load it: no module", origin=THEIRS))
    .with_unusable(Group.NETWORKS, "scratch", Unusable(reason="it is no class", origin=FILE))
)


def test_kinds_are_listed_by_group_and_name_with_where_they_are_from() -> None:
    assert [write_row(page)[:3] for page in list_kinds(REGISTRY)] == [
        ("mount", "bind", "built in"),
        ("mount", "odd", "/etc/orchestrator/plugins/odd.py"),
        ("mount", "scratch", "their-mounts 2.3"),
        ("network", "none", "unknown"),
        ("network", "none-too", "their-mounts 2.3"),
        ("network", "scratch", "/etc/orchestrator/plugins/odd.py"),
    ]
    lines = {(page.noun, page.name): write_row(page)[3] for page in list_kinds(REGISTRY)}
    assert lines["mount", "scratch"] == "An empty folder in memory"
    assert lines["network", "none-too"] == "cannot be used: cannot load it: no module"
    assert lines["mount", "odd"].startswith("cannot be used: its options cannot be read: no option can be")


def test_a_page_has_all_that_can_be_written() -> None:
    page, unusable = list_kinds(REGISTRY, "scratch")
    assert (
        write_page(page)
        == """\
mount scratch: An empty folder in memory

from: their-mounts 2.3 (their_mounts:Scratch)

    mounts."/data" = { type = "scratch", size = "16M" }

size: a size, at least "4K"
    The most that it holds.
    must be written; an edit: replace; example: size = "16M"

mode: a whole number
    Its mode.
    default 493; an edit: replace; example: mode = 493
"""
    )
    assert (
        write_page(unusable)
        == """\
network scratch: (no description)

from: /etc/orchestrator/plugins/odd.py
it cannot be used: it is no class
"""
    )


def test_a_kind_without_options_is_its_name() -> None:
    (page,) = list_kinds(REGISTRY, "none")
    assert '\n    network = "none"\n\nIt has no options.\n' in write_page(page)


def test_programs_are_told_the_same() -> None:
    page, unusable = (page.to_json() for page in list_kinds(REGISTRY, "scratch"))
    assert page["origin"] == {
        "distribution": "their-mounts",
        "version": "2.3",
        "place": "their_mounts:Scratch",
        "builtin": False,
    }
    assert page["options"] == [
        {
            "name": "size",
            "type": 'a size, at least "4K"',
            "required": True,
            "default": None,
            "change": "replace",
            "doc": "The most that it holds.",
            "example": '"16M"',
        },
        {
            "name": "mode",
            "type": "a whole number",
            "required": False,
            "default": 493,
            "change": "replace",
            "doc": "Its mode.",
            "example": "493",
        },
    ]
    assert page["schema"]["required"] == ["size"]
    assert (page["usable"], unusable["usable"], unusable["reason"]) == (True, False, "it is no class")
    assert (unusable["options"], unusable["schema"]) == ([], None)


def test_there_is_nothing_of_another_name() -> None:
    assert list_kinds(REGISTRY, "scrtch") == ()
