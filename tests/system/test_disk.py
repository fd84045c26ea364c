"""The state directory and the run directory on a real file system."""

import contextlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.render import render_instance
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.layout import Layout
from orchestrator.model.spec import FolderRoot
from orchestrator.model.state import AgentState, NameState, PublicState
from orchestrator.ports import Disk, DiskFailed
from orchestrator.system.bundles import make_skeleton
from orchestrator.system.disk import HostDisk
from orchestrator.system.files import remove_tree, write_atomic
from orchestrator.testing.disk import FakeDisk
from tests.system.helpers_disk import make_bundle, make_instance, make_instance_state

NAME = NameState(name="web", state=PublicState.RUNNING, since=1.0)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(state=f"{tmp_path}/a/state", run=f"{tmp_path}/b/run")


@pytest.fixture
def disk(layout: Layout) -> HostDisk:
    return HostDisk(layout)


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def listing(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def test_both_are_the_port() -> None:
    real: Disk = HostDisk(Layout("/nowhere", "/nowhere"))
    fake: Disk = FakeDisk()
    assert real is not fake


def test_folders_are_made_with_their_modes_whatever_the_umask_says(disk: HostDisk, layout: Layout) -> None:
    old = os.umask(0o077)
    try:
        disk.make_folders()
    finally:
        os.umask(old)
    assert {mode_of(path) for path in (layout.state, layout.run)} == {0o711}
    assert {mode_of(path) for path in (layout.bundles, layout.roots, layout.instances, layout.names)} == {0o700}
    assert mode_of(layout.logs) == 0o750


def test_a_folder_that_stands_keeps_its_mode(disk: HostDisk, layout: Layout) -> None:
    os.makedirs(layout.state)
    os.chmod(layout.state, 0o755)
    disk.make_folders()
    assert mode_of(layout.state) == 0o755


def test_a_folder_that_cannot_be_made_is_one_clear_line(disk: HostDisk, layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("in the way")
    with pytest.raises(DiskFailed) as caught:
        disk.write_name(NAME)
    assert str(caught.value) == f"cannot write {layout.name_state('web')}: Not a directory"
    with pytest.raises(DiskFailed, match=f"^cannot make the folder {layout.run}: Not a directory"):
        disk.make_folders()


# state files


def test_state_files_are_whole_private_and_leave_nothing_beside_them(disk: HostDisk, layout: Layout) -> None:
    state = make_instance_state(layout)
    disk.write_instance(state)
    disk.write_name(NAME)
    disk.write_name(NameState(name="web", state=PublicState.STOPPED, since=2.0))
    disk.write_agent(
        AgentState(
            pid=1,
            pid_start_time=2,
            version="1",
            started_at=3.0,
            config="/c",
            state="/s",
            runtime="/r",
            runtime_name="x",
        )
    )
    assert listing(layout.run) == ["agent.json", "instances", "instances/web-1.json", "names", "names/web.json"]
    assert json.loads(Path(layout.name_state("web")).read_text())["state"] == "stopped"
    assert mode_of(layout.name_state("web")) == 0o600


def test_a_write_that_fails_leaves_the_old_content(disk: HostDisk, layout: Layout) -> None:
    disk.write_name(NAME)
    before = Path(layout.name_state("web")).read_bytes()
    os.mkdir(f"{layout.names}/.web.json.tmp")
    with pytest.raises(DiskFailed, match=r"^cannot write .*/web.json: Is a directory"):
        disk.write_name(NameState(name="web", state=PublicState.FAILED, since=1.0))
    assert Path(layout.name_state("web")).read_bytes() == before


def test_a_write_never_follows_a_link_at_the_temporary_name(tmp_path: Path) -> None:
    (tmp_path / ".a.tmp").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        write_atomic(f"{tmp_path}/a", b"x")
    assert not (tmp_path / "victim").exists()


def test_only_what_must_outlive_a_power_cut_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode)))
    write_atomic(f"{tmp_path}/a", b"x")
    assert synced == []
    write_atomic(f"{tmp_path}/a", b"y", durable=True)
    assert synced == [False, True]
    assert (tmp_path / "a").read_bytes() == b"y"


def test_a_name_is_removed_and_may_be_gone_already(disk: HostDisk, layout: Layout) -> None:
    disk.write_name(NAME)
    disk.remove_name("web")
    disk.remove_name("web")
    assert listing(layout.names) == []


# bundles


def test_a_bundle_is_stored_as_it_says(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle()
    old = os.umask(0o077)
    try:
        disk.store_bundle(bundle)
    finally:
        os.umask(old)
    path = layout.bundle(bundle.digest)
    assert listing(layout.bundles) == sorted(
        f"{bundle.digest}{rest}"
        for rest in (
            "", "/config.json", "/rootfs", "/rootfs/bin", "/rootfs/etc", "/rootfs/etc/hostname",
            "/rootfs/etc/mount", "/rootfs/tmp", "/rootfs/usr",
        )
    )  # fmt: skip
    assert json.loads(Path(f"{path}/config.json").read_text()) == bundle.config
    assert os.readlink(f"{path}/rootfs/bin") == "usr/bin"
    assert Path(f"{path}/rootfs/etc/hostname").read_text() == "web\n"
    modes = [mode_of(f"{path}/rootfs{rest}") for rest in ("", "/etc", "/etc/hostname", "/etc/mount", "/tmp")]
    assert modes == [0o755, 0o755, 0o644, 0o600, 0o1777]


def test_a_bundle_of_a_folder_has_no_rootfs(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle(root=FolderRoot(path="/srv/alpine"))
    disk.store_bundle(bundle)
    assert listing(layout.bundle(bundle.digest)) == ["config.json"]


def test_a_whole_bundle_is_used_again(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle()
    disk.store_bundle(bundle)
    before = os.lstat(layout.bundle(bundle.digest)).st_ino
    Path(f"{layout.bundle(bundle.digest)}/rootfs/made-by-runtime").touch()
    disk.store_bundle(bundle)
    assert os.lstat(layout.bundle(bundle.digest)).st_ino == before


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    remove_tree(str(path))


def turn_into_file(path: Path) -> None:
    remove_tree(str(path))
    path.touch()


def turn_into_link(path: Path) -> None:
    remove_tree(str(path))
    path.symlink_to("/")


DAMAGES: list[tuple[str, Callable[[Path], None]]] = [
    ("config.json", empty),
    ("config.json", remove),
    ("rootfs", remove),
    ("rootfs", turn_into_link),
    ("rootfs/etc", remove),
    ("rootfs/etc", turn_into_link),
    ("rootfs/usr", turn_into_file),
    ("rootfs/bin", turn_into_link),
    ("rootfs/bin", turn_into_file),
    ("rootfs/etc/hostname", empty),
    ("rootfs/etc/hostname", turn_into_link),
    ("rootfs/tmp", lambda path: path.chmod(0o755)),
    (".", turn_into_file),
    (".", turn_into_link),
]


@pytest.mark.parametrize(("where", "damage"), DAMAGES)
def test_a_damaged_bundle_is_made_anew_and_the_old_steps_aside(
    disk: HostDisk, layout: Layout, where: str, damage: Callable[[Path], None]
) -> None:
    bundle = make_bundle()
    disk.store_bundle(bundle)
    path = layout.bundle(bundle.digest)
    whole = listing(path)
    damage(Path(os.path.normpath(f"{path}/{where}")))
    disk.store_bundle(bundle)
    assert not os.path.islink(path)
    assert listing(path) == whole
    assert Path(f"{path}/rootfs/etc/hostname").read_text() == "web\n"
    # A container may run in it: it is kept as long as its digest is.
    disk.sweep_bundles({bundle.digest})
    assert len(os.listdir(layout.bundles)) == 2
    disk.sweep_bundles(())
    assert os.listdir(layout.bundles) == []


def test_what_a_crash_left_half_made_is_no_obstacle(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle()
    os.makedirs(f"{layout.bundles}/.new-{bundle.digest}/rootfs/etc")
    disk.store_bundle(bundle)
    assert os.listdir(layout.bundles) == [bundle.digest]


@pytest.mark.parametrize(
    "entries",
    [
        (LinkEntry("/x", "/tmp"), FileEntry("/x/escaped")),
        (LinkEntry("/x", ".."), FolderEntry("/x/escaped")),
        (FileEntry("/x"), FolderEntry("/x/y")),
        (FolderEntry("/a"), FolderEntry("/a/../b")),
        (FolderEntry("/a"), FolderEntry("/a/..")),
        (FolderEntry("/a"), FolderEntry("/a")),
        (FolderEntry("/a"), LinkEntry("/a", "/")),
        (FolderEntry("/a/b"), FolderEntry("/a")),
        (FolderEntry("/"),),
        (FolderEntry(""),),
        (FolderEntry("a"),),
        (FolderEntry("//a"),),
        (FolderEntry("/a"), FileEntry("/a//b")),
        (FolderEntry("/a/"),),
    ],
)
def test_an_entry_that_leads_elsewhere_is_refused_and_nothing_is_left(
    disk: HostDisk, layout: Layout, entries: tuple[Entry, ...]
) -> None:
    with pytest.raises(DiskFailed, match=r"^cannot make '"):
        disk.store_bundle(make_bundle(entries))
    assert os.listdir(layout.bundles) == []


PARTS = st.sampled_from(["a", "b", "..", "."])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
TARGETS = st.sampled_from(["..", "/", "../..", "a", "../outside"])
ANY_ENTRY = st.builds(FolderEntry, PATHS) | st.builds(FileEntry, PATHS) | st.builds(LinkEntry, PATHS, TARGETS)


@given(st.lists(ANY_ENTRY, max_size=6))
def test_no_entries_ever_reach_outside(tmp_path_factory: pytest.TempPathFactory, entries: list[Entry]) -> None:
    base = tmp_path_factory.mktemp("skeleton")
    (base / "outside").mkdir()
    with contextlib.suppress(DiskFailed):  # refused: then nothing may have reached outside either
        make_skeleton(f"{base}/root", entries)
    assert sorted(os.listdir(base)) == ["outside", "root"]
    assert os.listdir(base / "outside") == []
    remove_tree(str(base))


def test_the_sweep_keeps_what_is_asked_for(disk: HostDisk, layout: Layout) -> None:
    kept, gone = make_bundle(), make_bundle((FolderEntry("/usr"),))
    disk.store_bundle(kept)
    disk.store_bundle(gone)
    os.mkdir(f"{layout.bundles}/.new-{gone.digest}")
    disk.sweep_bundles({kept.digest})
    assert os.listdir(layout.bundles) == [kept.digest]


def test_a_sweep_before_anything_was_stored_is_nothing(disk: HostDisk) -> None:
    disk.sweep_bundles(())


# instances


def test_an_instance_gets_its_own_config(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle()
    instance = make_instance(layout, bundle)
    disk.store_bundle(bundle)
    disk.prepare_instance(instance)
    assert mode_of(instance.folder) == 0o700
    assert Path(f"{instance.folder}/config.json").read_text() == render_instance(instance)
    assert listing(instance.folder) == ["config.json"]
    assert os.listdir(layout.roots) == []
    assert os.path.isdir(layout.logs)


def test_a_writable_root_is_fresh_and_goes_with_its_instance(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle(readonly=False)
    instance = make_instance(layout, bundle)
    disk.write_instance(make_instance_state(layout))
    disk.prepare_instance(instance)
    assert Path(f"{instance.rootfs}/etc/hostname").read_text() == "web\n"
    Path(f"{instance.rootfs}/etc/hostname").write_text("written by the application")
    disk.prepare_instance(make_instance(layout, bundle, "web-2"))
    assert Path(f"{layout.root('web-2')}/etc/hostname").read_text() == "web\n"
    disk.remove_instance("web-1")
    disk.remove_instance("web-1")
    assert os.listdir(layout.roots) == ["web-2"]
    assert os.listdir(layout.instances) == ["web-2"]


def test_a_preparation_that_fails_leaves_nothing(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle((FolderEntry("/a/b"),), readonly=False)
    with pytest.raises(DiskFailed):
        disk.prepare_instance(make_instance(layout, bundle))
    assert listing(layout.instances) == []
    assert listing(layout.roots) == []


def test_an_id_that_is_used_twice_takes_nothing_from_the_first(disk: HostDisk, layout: Layout) -> None:
    instance = make_instance(layout, make_bundle())
    disk.prepare_instance(instance)
    with pytest.raises(DiskFailed, match=r"^cannot make the instance web-1 in .*: File exists$"):
        disk.prepare_instance(instance)
    assert listing(instance.folder) == ["config.json"]


def test_the_sweep_takes_writable_roots_of_another_boot(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle(readonly=False)
    for instance_id in ("web-1", "web-2", "web-3"):
        disk.prepare_instance(make_instance(layout, bundle, instance_id))
    disk.write_instance(make_instance_state(layout, "web-2"))
    remove_tree(layout.instance("web-2"))
    remove_tree(layout.instance("web-3"))
    disk.sweep_bundles(())
    assert sorted(os.listdir(layout.roots)) == ["web-1", "web-2"]


# removal


def test_removal_takes_links_and_not_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").touch()
    (tmp_path / "tree/below").mkdir(parents=True)
    (tmp_path / "tree/link").symlink_to(tmp_path / "outside")
    (tmp_path / "tree/below/link").symlink_to(tmp_path / "outside/file")
    remove_tree(f"{tmp_path}/tree")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    remove_tree(f"{tmp_path}/link")
    remove_tree(f"{tmp_path}/nothing")
    assert listing(str(tmp_path)) == ["outside", "outside/file"]


def test_a_tree_may_be_deeper_than_the_stack(tmp_path: Path) -> None:
    top = tmp_path / "tree"
    top.mkdir()
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    remove_tree(str(top))
    assert os.listdir(tmp_path) == []


def test_a_tree_as_wide_as_it_is_deep(tmp_path: Path) -> None:
    for number in range(50):
        folder = tmp_path / "tree" / str(number % 7) / str(number)
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
        folder.chmod(0o500)
    remove_tree(f"{tmp_path}/tree")
    assert os.listdir(tmp_path) == []


# the fake


def test_the_fake_records_and_fails_on_demand(layout: Layout) -> None:
    fake = FakeDisk()
    bundle = make_bundle()
    fake.fail("store_bundle", "it is full", times=2)
    for _ in range(2):
        with pytest.raises(DiskFailed, match=r"^it is full$"):
            fake.store_bundle(bundle)
    fake.store_bundle(bundle)
    fake.prepare_instance(make_instance(layout, bundle))
    fake.write_instance(make_instance_state(layout))
    fake.write_name(NAME)
    assert fake.calls_of("store_bundle") == [bundle]
    assert [name for name, _ in fake.calls] == ["store_bundle", "prepare_instance", "write_instance", "write_name"]
    fake.remove_instance("web-1")
    fake.remove_name("web")
    fake.sweep_bundles(())
    assert (fake.bundles, fake.prepared, fake.instances, fake.names) == ({}, {}, {}, {})


def test_the_fake_refuses_to_fail_in_what_no_disk_does() -> None:
    with pytest.raises(ValueError, match="a disk has no 'explode'"):
        FakeDisk().fail("explode")
