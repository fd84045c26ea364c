"""The `volume` mount."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestrator_mounts.volume import LONGEST_NAME, Volume, choose_name

from orchestrator.plugin import Attaching, Contribution, FileMode, FolderEntry, Keeping, Mount, MountKind, Use, UserName
from orchestrator.testing import FakeFolder, FakeHost
from orchestrator.testing.strategies import names, paths
from tests.core.helpers_world import answer
from tests.plugins.helpers_attach import assert_undone, container, work_of

USE = Use("web", "/var/lib", 1000, 7)


def contribution_of(kind: Volume, use: Use = USE) -> Contribution:
    return kind.contribute(use, answer(kind.questions()))


def test_it_is_a_folder_of_what_is_kept() -> None:
    assert isinstance(Volume(), MountKind)
    assert isinstance(Volume, Attaching)
    assert isinstance(Volume(), Keeping)
    contribution = contribution_of(Volume(name="data", options=("ro",)))
    options = ("rbind", "rprivate", "ro", "rro", "nosuid", "nodev")
    assert contribution.mounts == (Mount("/var/lib", "bind", "@kept/volumes/data", options),)
    assert contribution.entries == (FolderEntry("/var/lib"),)
    assert work_of(contribution) == {"volume": "data", "mode": 0o755, "uid": 1000, "gid": 7}
    assert tuple(Volume(name="data").volumes(USE)) == ("data",)


def test_its_owner_and_mode_can_be_said() -> None:
    kind = Volume(owner=UserName("www-data:adm"), mode=FileMode(0o2750))
    assert work_of(contribution_of(kind)) == {"volume": "web+var+lib", "mode": 0o2750, "uid": 33, "gid": 4}


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        (
            "my data",
            "\"my data\" is no name for a volume: it has no more than letters, digits, '.', '_', '+' and '-', "
            "and begins with a letter or a digit",
            'did you mean "my-data"?',
        ),
        ("../x", None, 'did you mean "x"?'),
        ("", None, 'write "data"'),
        ("x" * 200, f'"{"x" * 60}…" is no name for a volume: it has 200 characters, 128 are the most', None),
    ],
)
def test_names_that_cannot_be(name: str, message: str | None, hint: str | None) -> None:
    (fault,) = contribution_of(Volume(name=name)).faults
    assert fault.path == ("name",)
    assert "is no name for a volume" in fault.message
    if message is not None and len(name) < 100:
        assert fault.message == message
    if hint is not None:
        assert fault.hint == hint


def test_the_mistakes_of_the_other_options_are_told_beside() -> None:
    kind = Volume(name="/", options=("noexce",), owner=UserName("nobdy"))
    assert [fault.path for fault in contribution_of(kind).faults] == [("name",), ("options", 0), ("owner",)]


@given(st.sets(st.tuples(names(), paths() | st.text(min_size=1).map("/{}".format)), min_size=2, max_size=4))
def test_no_two_have_the_same_name_by_default(uses: set[tuple[str, str]]) -> None:
    wanted = {(name, "/" + path.strip("/")) for name, path in uses if path.strip("/")}
    chosen = {choose_name(None, Use(name, path)) for name, path in wanted}
    assert len(chosen) == len(wanted)
    for name in chosen:
        assert len(name) <= LONGEST_NAME
        assert "/" not in name
        assert not name.startswith(".")


def test_it_is_made_once_and_stays() -> None:
    host, work = FakeHost(), work_of(contribution_of(Volume(name="data", mode=FileMode(0o700))))
    Volume.attach(work, container(), host)
    made = host.describe()
    assert "/var/o/kept/volumes/ 0700 0:0" in made
    assert "/var/o/kept/volumes/data/ 0700 1000:7" in made
    host.write_file("/var/o/kept/volumes/data/file", b"x")
    Volume.detach(work, None, container(), host)
    Volume.attach({**work, "mode": 0o777, "uid": 0}, container("web-2"), host)
    folder = host.look("/var/o/kept/volumes/data")
    assert isinstance(folder, FakeFolder)
    assert (folder.mode, folder.uid) == (0o700, 1000)
    assert host.read_file("/var/o/kept/volumes/data/file") == b"x"


def test_a_kill_leaves_no_more_than_the_volume() -> None:
    work = work_of(contribution_of(Volume(name="data")))
    assert_undone(Volume, work, FakeHost)
