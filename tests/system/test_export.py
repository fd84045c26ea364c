"""A bundle that is copied is written into its own folder and nowhere else, whatever links the root file system has."""

import json
import os
from pathlib import Path

import pytest
from attrs import evolve

from orchestrator.core.canonical import digest_of
from orchestrator.core.encode import to_plain
from orchestrator.model.bundle import Bundle
from orchestrator.model.contribution import LiveFile
from orchestrator.model.oci import Mount
from orchestrator.model.resources import Resources
from orchestrator.model.spec import FolderRoot
from orchestrator.ports import DiskFailed
from orchestrator.system.export import count_files, export_bundle
from tests.system.helpers_disk import listing, mode_of


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What is the host's and stays as it is."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "stub.conf").write_text("of the host\n")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "below").mkdir(parents=True)
    (folder / "file").write_text("mounted\n")
    return folder


def bind(source: Path, destination: str, *options: str) -> Mount:
    return Mount(destination, "bind", str(source), ("rbind", *(options or ("ro",))))


def make_bundle(rootfs: Path, *mounts: Mount) -> Bundle:
    config = {
        "ociVersion": "1.0.2",
        "root": {"readonly": False},
        "process": {},
        "linux": {"resources": {}},
        "mounts": [to_plain(mount) for mount in mounts],
    }
    root = FolderRoot(path=str(rootfs))
    return Bundle(digest_of([config, to_plain(root)]), config, root, False)


def export(rootfs: Path, *mounts: Mount) -> tuple[Path, tuple[str, ...]]:
    """The copied bundle, and the destinations that still lead to the host."""
    bundle = make_bundle(rootfs, *mounts)
    folder = rootfs.parent / "bundles" / "bundle"
    kept = export_bundle(bundle, Resources(), str(folder), copy=True).staying
    assert [mount["destination"] for mount in json.loads((folder / "config.json").read_text())["mounts"]] == [
        mount.destination for mount in kept
    ]
    assert os.listdir(folder.parent) == ["bundle"]
    return folder / "rootfs", tuple(mount.destination for mount in kept)


def test_files_that_would_follow_the_host_are_written_as_they_are_now(rootfs: Path) -> None:
    bundle = evolve(make_bundle(rootfs), live=("/etc/resolv.conf",))
    folder = rootfs.parent / "bundle"
    export_bundle(bundle, Resources(), str(folder), copy=False, live=(LiveFile("/etc/resolv.conf", "now\n"),))
    (mount,) = json.loads((folder / "config.json").read_text())["mounts"]
    assert (mount["destination"], mount["source"]) == ("/etc/resolv.conf", "live/0")
    assert (folder / mount["source"]).read_text() == "now\n"


def test_a_link_in_the_last_place_is_replaced_and_not_written_through(
    rootfs: Path, outside: Path, source: Path
) -> None:
    (rootfs / "etc/resolv.conf").symlink_to(outside / "stub.conf")
    copied, kept = export(rootfs, bind(source / "file", "/etc/resolv.conf"))
    assert (outside / "stub.conf").read_text() == "of the host\n"
    assert not (copied / "etc/resolv.conf").is_symlink()
    assert (copied / "etc/resolv.conf").read_text() == "mounted\n"
    assert kept == ()


def test_a_link_on_the_way_is_resolved_within_the_root(rootfs: Path, outside: Path, source: Path) -> None:
    (rootfs / "data").symlink_to(outside)
    (rootfs / "etc/up").symlink_to("../../../data")
    copied, _ = export(rootfs, bind(source, "/data/a/b"), bind(source / "file", "/etc/up/c/file"))
    assert listing(str(outside)) == ["stub.conf"]
    inside = Path(f"{copied}{outside}")
    assert (inside / "a/b/file").read_text() == "mounted\n"
    assert (inside / "c/file").read_text() == "mounted\n"
    assert mode_of(str(inside / "a")) == 0o755


def test_a_folder_beside_the_root_with_a_like_name_is_outside(rootfs: Path, source: Path) -> None:
    (rootfs / "data").symlink_to("../rootfs2")
    copied, _ = export(rootfs, bind(source, "/data/below"))
    assert not (copied.parent / "rootfs2").exists()
    assert (copied / "rootfs2/below/file").read_text() == "mounted\n"


def test_a_copy_stands_in_place_of_what_a_mount_would_hide(rootfs: Path, source: Path) -> None:
    (rootfs / "data").mkdir()
    (rootfs / "data/hidden").touch()
    copied, _ = export(rootfs, bind(source, "/data"))
    assert listing(str(copied / "data")) == ["below", "file"]


def test_what_is_mounted_below_a_mount_that_stays_would_be_hidden_as_a_copy(rootfs: Path, source: Path) -> None:
    mounts = bind(source, "/data", "rw"), bind(source, "/data/below"), bind(source, "/database")
    copied, kept = export(rootfs, *mounts)
    assert kept == ("/data", "/data/below")
    assert listing(str(copied)) == ["database", "database/below", "database/file", "etc"]


def test_links_that_go_round_are_one_line_and_leave_nothing(rootfs: Path, source: Path) -> None:
    (rootfs / "round").symlink_to("round")
    with pytest.raises(DiskFailed, match=r"^cannot make the bundle .*: Too many levels of symbolic links \(/round\)$"):
        export(rootfs, bind(source, "/round/x"))
    assert os.listdir(rootfs.parent / "bundles") == []


def test_a_copy_to_no_place_is_refused(rootfs: Path, source: Path) -> None:
    with pytest.raises(DiskFailed, match=r"it is no place in a root file system$"):
        export(rootfs, bind(source, "/"))
    with pytest.raises(DiskFailed, match=r"it is no place in a root file system$"):
        export(rootfs, bind(source, "/.."))
    assert listing(str(source)) == ["below", "file"]


def test_what_is_counted_before_is_told_as_it_is_copied(rootfs: Path, source: Path) -> None:
    for number in range(300):
        (source / f"{number}").symlink_to("file")
    bundle = make_bundle(rootfs, bind(source, "/mnt"), bind(source / "file", "/one"), bind(source, "/kept", "rw"))
    told: list[int] = []
    export_bundle(bundle, Resources(), str(rootfs.parent / "bundle"), copy=True, tell=told.append)
    # The root and its etc; the source with what is in it; the file.
    assert told[-1] == count_files(bundle) == 2 + 303 + 1
    assert told == sorted(told)


def test_what_only_an_agent_can_mount_is_left_out(rootfs: Path, source: Path) -> None:
    only = (
        Mount("/volume", "bind", "@kept/volumes/data", ("rbind", "ro")),
        Mount("/over", "overlay", "overlay", ("lowerdir=/srv", "upperdir=@scratch/x/upper")),
        Mount("/secret", "bind", "@own/x/secret", ("bind", "ro")),
    )
    bundle = make_bundle(rootfs, bind(source, "/data"), *only)
    assert count_files(bundle) == count_files(make_bundle(rootfs, bind(source, "/data")))
    for copy in (False, True):
        folder = rootfs.parent / f"bundle-{copy}"
        assert export_bundle(bundle, Resources(), str(folder), copy=copy).left_out == only
        assert "@" not in (folder / "config.json").read_text()
