"""Bundles on disk: whole or not there, made anew when damaged, and nothing reaches out of a skeleton."""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.layout import Layout
from orchestrator.model.spec import FolderRoot
from orchestrator.ports import DiskFailed
from orchestrator.system.bundles import make_skeleton
from orchestrator.system.disk import HostDisk
from orchestrator.system.files import remove_tree
from tests.system.helpers_disk import listing, make_bundle, mode_of


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(state=f"{tmp_path}/a/state", run=f"{tmp_path}/b/run")


@pytest.fixture
def disk(layout: Layout) -> HostDisk:
    return HostDisk(layout)


def test_a_bundle_is_stored_as_it_says(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle()
    old = os.umask(0o077)
    try:
        disk.store_bundle(bundle)
    finally:
        os.umask(old)
    path = layout.bundle(bundle.digest)
    assert listing(layout.bundles) == sorted(f"{bundle.digest}{rest}" for rest in ("", "/config.json", "/rootfs"))
    (skeleton,) = os.listdir(layout.skeletons)
    assert os.path.realpath(f"{path}/rootfs") == os.path.realpath(layout.skeleton(skeleton))
    assert listing(layout.skeleton(skeleton)) == ["bin", "etc", "etc/hostname", "etc/mount", "tmp", "usr"]
    assert json.loads(Path(f"{path}/config.json").read_text()) == bundle.config
    assert os.readlink(f"{path}/rootfs/bin") == "usr/bin"
    assert Path(f"{path}/rootfs/etc/hostname").read_text() == "web\n"
    root = os.path.realpath(f"{path}/rootfs")
    modes = [mode_of(f"{root}{rest}") for rest in ("", "/etc", "/etc/hostname", "/etc/mount", "/tmp")]
    assert modes == [0o755, 0o755, 0o644, 0o600, 0o1777]


def test_a_bundle_of_a_folder_has_no_rootfs(disk: HostDisk, layout: Layout) -> None:
    bundle = make_bundle(root=FolderRoot(path="/srv/alpine"))
    disk.store_bundle(bundle)
    assert listing(layout.bundle(bundle.digest)) == ["config.json"]


def test_bundles_with_the_same_mount_points_share_a_skeleton(disk: HostDisk, layout: Layout) -> None:
    one = make_bundle()
    other = evolve(one, digest="0" * 64, config={**one.config, "hostname": "other"})
    assert one.digest != other.digest
    disk.store_bundle(one)
    disk.store_bundle(other)
    assert len(os.listdir(layout.bundles)) == 2
    assert len(os.listdir(layout.skeletons)) == 1
    disk.sweep_bundles({other.digest})
    assert len(os.listdir(layout.skeletons)) == 1
    disk.sweep_bundles(())
    assert os.listdir(layout.skeletons) == []


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
    whole = listing(path), listing(os.path.realpath(f"{path}/rootfs"))
    damage(Path(os.path.normpath(f"{path}/{where}")))
    disk.store_bundle(bundle)
    assert not os.path.islink(path)
    assert (listing(path), listing(os.path.realpath(f"{path}/rootfs"))) == whole
    assert Path(f"{path}/rootfs/etc/hostname").read_text() == "web\n"
    # A container may run in it: it is kept as long as its digest is.
    disk.sweep_bundles({bundle.digest})
    assert len(os.listdir(layout.bundles)) + len(os.listdir(layout.skeletons)) == 3
    disk.sweep_bundles(())
    assert os.listdir(layout.bundles) == os.listdir(layout.skeletons) == []


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
    assert not os.path.exists(layout.bundles)
    assert os.listdir(layout.skeletons) == []


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
