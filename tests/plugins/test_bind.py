"""The `bind` mount."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestrator_mounts.bind import OPTIONS, Bind

from orchestrator.plugin import (
    Contribution,
    Fault,
    FileEntry,
    FolderEntry,
    Group,
    Guess,
    Mount,
    MountKind,
    Registry,
    Use,
)
from tests.core.helpers_world import HOST, answer, bind

USE = Use("web", "/data")

DEFAULTS = ("rbind", "rprivate", "rw", "nosuid", "nodev")


def contribution_of(kind: Bind, kernel: tuple[int, int] = HOST.kernel) -> Contribution:
    return kind.contribute(USE, answer(kind.questions(), attrs.evolve(HOST, kernel=kernel)))


def options_of(*options: str, source: str = "/srv/data", kernel: tuple[int, int] = HOST.kernel) -> tuple[str, ...]:
    (mount,) = contribution_of(bind(source, *options), kernel).mounts
    return mount.options


def test_bind_is_a_kind_of_mount() -> None:
    assert isinstance(bind("/srv/data"), MountKind)
    assert Registry().with_kind(Group.MOUNTS, Bind.type, Bind).of(Group.MOUNTS) == {"bind": Bind}


def test_a_folder_is_mounted_on_a_folder() -> None:
    contribution = contribution_of(bind("/srv/data"))
    assert contribution.mounts == (Mount("/data", "bind", "/srv/data", DEFAULTS),)
    assert contribution.entries == (FolderEntry("/data"),)


@pytest.mark.parametrize("source", ["/srv/app.conf", "/srv/socket"])
def test_what_is_no_folder_is_mounted_on_a_file(source: str) -> None:
    assert contribution_of(bind(source)).entries == (FileEntry("/data"),)


def test_a_link_is_followed() -> None:
    (mount,) = contribution_of(bind("/srv/current")).mounts
    assert mount.source == "/srv/data"


@pytest.mark.parametrize(("source", "why"), [("/srv/x", "no such file or directory"), ("/root/x", "permission denied")])
def test_a_source_that_cannot_be_used(source: str, why: str) -> None:
    assert contribution_of(bind(source)).faults == (Fault(("source",), f'cannot use "{source}": {why}'),)


def test_read_only_is_also_what_is_mounted_below() -> None:
    assert options_of("ro") == ("rbind", "rprivate", "ro", "rro", "nosuid", "nodev")
    assert "rro" not in options_of("ro", "bind")
    assert "rro" not in options_of("ro", source="/srv/app.conf")
    assert "rro" not in options_of("ro", kernel=(5, 11))


def test_options_take_the_place_of_the_defaults() -> None:
    assert options_of("noexec", "bind", "shared") == ("bind", "shared", "rw", "nosuid", "nodev", "noexec")
    assert options_of("nosuid", "nodev", "rw") == DEFAULTS


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (
            ("ro", "noexce"),
            Fault(
                ("options", 1),
                'unknown mount option "noexce"',
                f"one of {', '.join(OPTIONS)}",
                guess=Guess("noexce", OPTIONS),
            ),
        ),
        (("ro", "rw"), Fault(("options", 1), '"rw" contradicts "ro"', "write one of them")),
        (("slave", "noexec", "shared"), Fault(("options", 2), '"shared" contradicts "slave"', "write one of them")),
    ],
)
def test_options_that_cannot_be(options: tuple[str, ...], fault: Fault) -> None:
    assert contribution_of(bind("/srv/data", *options)).faults == (fault,)


@given(st.lists(st.sampled_from(OPTIONS)).flatmap(st.permutations))
def test_the_order_of_options_says_nothing(options: list[str]) -> None:
    one, other = contribution_of(bind("/srv/data", *options)), contribution_of(bind("/srv/data", *sorted(options)))
    assert one.mounts == other.mounts
    assert bool(one.faults) is bool(other.faults)


def test_many_options_are_each_compared_with_the_first_of_their_row() -> None:
    faults = contribution_of(bind("/srv/data", *["ro"] * 1000, *["rw", "ro"] * 1000)).faults
    assert [fault.path for fault in faults] == [("options", index) for index in range(1000, 3000, 2)]
    assert {fault.message for fault in faults} == {'"rw" contradicts "ro"'}
