"""The `overlay` mount."""

import pytest
from attrs import evolve
from orchestrator_mounts.overlay import Overlay, Upper

from orchestrator.plugin import (
    AbsolutePath,
    Attaching,
    Contribution,
    Fault,
    FileMode,
    FolderEntry,
    HostFailed,
    Keeping,
    MountKind,
    Use,
)
from orchestrator.testing import FakeHost
from tests.core.helpers_world import answer
from tests.plugins.helpers_attach import assert_undone, container, work_of

DB = evolve(container("db-1"), name="db")
USE = Use("web", "/data", 1000, 7)


def overlay(*lower: str, upper: Upper = Upper.FRESH, name: str | None = None, mode: int = 0o755) -> Overlay:
    return Overlay(lower=tuple(map(AbsolutePath, lower)), upper=upper, name=name, mode=FileMode(mode))


def contribution_of(kind: Overlay) -> Contribution:
    return kind.contribute(USE, answer(kind.questions()))


def test_what_is_written_is_in_a_folder_of_the_instances_own() -> None:
    kind = overlay("/srv/current", "/srv/alpine")
    assert isinstance(kind, MountKind)
    assert isinstance(Overlay, Attaching)
    contribution = contribution_of(kind)
    (mount,) = contribution.mounts
    assert (mount.destination, mount.type, mount.source) == ("/data", "overlay", "overlay")
    assert mount.options == (
        "nosuid",
        "nodev",
        "lowerdir=/srv/data:/srv/alpine",
        f"upperdir={USE.scratch}/upper",
        f"workdir={USE.scratch}/work",
    )
    assert contribution.entries == (FolderEntry("/data"),)
    assert work_of(contribution) == {"volume": "", "mode": 0o755, "uid": 1000, "gid": 7}
    assert isinstance(kind, Keeping)
    assert tuple(kind.volumes(USE)) == ()


def test_what_is_written_can_be_kept_in_a_volume() -> None:
    kind = overlay("/srv/data", upper=Upper.KEPT)
    (mount,) = contribution_of(kind).mounts
    assert mount.options[3:] == (
        "upperdir=@kept/volumes/web+data/upper",
        "workdir=@kept/volumes/web+data/work",
    )
    assert tuple(kind.volumes(USE)) == ("web+data",)
    assert tuple(overlay("/srv/data", upper=Upper.KEPT, name="x").volumes(USE)) == ("x",)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (overlay(), Fault(("lower",), "there is no lower folder: the list is empty", 'write ["/srv/data"]')),
        (overlay("/srv/data", "/srv/none"), Fault(("lower", 1), 'cannot use "/srv/none": no such directory')),
        (overlay("/srv/app.conf"), Fault(("lower", 0), 'cannot use "/srv/app.conf": not a directory')),
        (overlay("/root/x"), Fault(("lower", 0), 'cannot use "/root/x": permission denied')),
        (
            overlay("/srv/data", name="x"),
            Fault(("name",), "what is written is in no volume", 'write upper = "kept" too, or leave it away'),
        ),
        (
            overlay(*["/srv/data"] * 400),
            Fault(
                ("lower",),
                "the lower folders have 3999 bytes together, 3072 are the most",
                "write shorter paths, or fewer",
            ),
        ),
    ],
)
def test_mistakes(kind: Overlay, fault: Fault) -> None:
    assert contribution_of(kind).faults == (fault,)


def test_a_name_is_looked_at_where_it_counts() -> None:
    (fault,) = contribution_of(overlay("/srv/data", upper=Upper.KEPT, name="a b")).faults
    assert fault.path == ("name",)


def test_the_folders_are_made_whose_they_are_to_be() -> None:
    host = FakeHost()
    Overlay.attach(work_of(contribution_of(overlay("/srv/data", mode=0o750))), container(), host)
    scratch = container().scratch
    assert {f"{scratch}/ 0700 0:0", f"{scratch}/upper/ 0750 1000:7", f"{scratch}/work/ 0700 0:0"} <= set(
        host.describe()
    )


def test_a_volume_is_used_by_one_at_a_time() -> None:
    host, work = FakeHost(), work_of(contribution_of(overlay("/srv/data", upper=Upper.KEPT)))
    Overlay.attach(work, container("web-1"), host)
    Overlay.attach(work, container("web-1"), host)
    with pytest.raises(HostFailed, match=r"^the container web uses the volume web\+data$"):
        Overlay.attach(work, DB, host)
    Overlay.detach(work, None, DB, host)
    with pytest.raises(HostFailed):
        Overlay.attach(work, DB, host)
    Overlay.detach(work, None, container("web-1"), host)
    Overlay.attach(work, DB, host)
    assert {"/var/o/kept/volumes/web+data/upper/ 0755 1000:7"} <= set(host.describe())


def test_an_instance_that_has_gone_without_a_word_does_not_stand_in_the_way() -> None:
    host, work = FakeHost(), work_of(contribution_of(overlay("/srv/data", upper=Upper.KEPT)))
    Overlay.attach(work, container("web-1"), host)
    host.remove(container("web-1").own)
    Overlay.attach(work, container("web-2"), host)
    Overlay.detach(work, None, container("web-1"), host)
    with pytest.raises(HostFailed):
        Overlay.attach(work, DB, host)


def test_one_of_the_same_container_that_has_ended_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    host, work = FakeHost(), work_of(contribution_of(overlay("/srv/data", upper=Upper.KEPT)))
    Overlay.attach(work, container("web-1"), host)
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            Overlay.detach(work, None, container("web-1"), host)

    monkeypatch.setattr("orchestrator_mounts.overlay.time.sleep", sleep)
    Overlay.attach(work, container("web-2"), host)
    assert len(waited) == 3
    monkeypatch.setattr("orchestrator_mounts.overlay.PATIENCE", 0.0)
    with pytest.raises(HostFailed, match=r"^the container web uses the volume web\+data$"):
        Overlay.attach(work, container("web-3"), host)


@pytest.mark.parametrize("upper", Upper)
def test_a_kill_leaves_no_more_than_folders(upper: Upper) -> None:
    assert_undone(Overlay, work_of(contribution_of(overlay("/srv/data", upper=upper))), FakeHost)
