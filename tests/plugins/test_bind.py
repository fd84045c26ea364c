"""The `bind` mount."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestrator_mounts.bind import OPTIONS, Bind

from orchestrator.plugin import (
    AbsolutePath,
    Attaching,
    Contribution,
    Fault,
    FileEntry,
    FileMode,
    FolderEntry,
    Group,
    Guess,
    Mount,
    MountKind,
    Registry,
    Use,
    UserName,
)
from orchestrator.testing import FakeHost
from tests.core.helpers_world import HOST, answer, bind
from tests.plugins.helpers_attach import assert_undone, container, work_of

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


@pytest.mark.parametrize(
    ("source", "why", "hint"),
    [
        ("/srv/x", "no such file or directory", "write create = true to have a folder made there"),
        ("/root/x", "permission denied", ""),
    ],
)
def test_a_source_that_cannot_be_used(source: str, why: str, hint: str) -> None:
    assert contribution_of(bind(source)).faults == (Fault(("source",), f'cannot use "{source}": {why}', hint),)


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


# create


def test_what_is_to_be_made_is_the_same_whether_it_stands_or_not() -> None:
    """/srv/data stands, /srv/x does not."""
    made = {}
    for source in ("/srv/data", "/srv/x"):
        kind = Bind(source=AbsolutePath(source), create=True, owner=UserName("web:adm"), mode=FileMode(0o2770))
        contribution = contribution_of(kind)
        assert work_of(contribution) == {"path": source, "mode": 0o2770, "uid": 1000, "gid": 4}
        options = contribution.mounts[0].options
        made[source] = (options, contribution.entries)
    assert made["/srv/data"] == made["/srv/x"]


def test_it_is_made_for_who_the_application_runs_as() -> None:
    kind = Bind(source=AbsolutePath("/srv/x"), create=True, options=("ro",))
    contribution = kind.contribute(Use("web", "/data", 7, 8), answer(kind.questions()))
    assert work_of(contribution) == {"path": "/srv/x", "mode": 0o755, "uid": 7, "gid": 8}
    assert "rro" in contribution.mounts[0].options


@pytest.mark.parametrize(
    ("kind", "faults"),
    [
        (
            Bind(source=AbsolutePath("/srv/app.conf"), create=True),
            [(("create",), 'cannot make the folder "/srv/app.conf": a file stands there')],
        ),
        (
            Bind(source=AbsolutePath("/root/x"), create=True, owner=UserName("nobdy")),
            [
                (("source",), 'cannot use "/root/x": permission denied'),
                (("owner",), 'no user "nobdy" in the /etc/passwd of the host'),
            ],
        ),
        (
            Bind(source=AbsolutePath("/srv/data"), owner=UserName("web"), mode=FileMode(0o700)),
            [(("owner",), "it is of the folder that is made"), (("mode",), "it is of the folder that is made")],
        ),
    ],
)
def test_what_cannot_be_made(kind: Bind, faults: list[tuple[tuple[str, ...], str]]) -> None:
    assert [(fault.path, fault.message) for fault in contribution_of(kind).faults] == faults


def test_it_is_made_once_and_stays() -> None:
    host = FakeHost()
    work = work_of(contribution_of(Bind(source=AbsolutePath("/srv/x"), create=True, mode=FileMode(0o700))))
    assert isinstance(Bind, Attaching)
    Bind.attach(work, container(), host)
    made = host.describe()
    assert "/srv/x/ 0700 0:0" in made
    Bind.attach({**work, "mode": 0o777}, container("web-2"), host)
    Bind.detach(work, None, container(), host)
    assert host.describe() == made
    assert_undone(Bind, work, FakeHost)
