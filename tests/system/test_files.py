"""Files put in place whole, and trees removed without following a link."""

import errno
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orchestrator.system.files import remove_tree, write_atomic
from tests.system.helpers_disk import listing


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


@pytest.mark.real
def test_what_is_mounted_below_is_no_prey(tmp_path: Path) -> None:
    """In a mount namespace of its own."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/file").touch()
    (tmp_path / "tree/a b/point").mkdir(parents=True)
    (tmp_path / "tree/first").touch()
    code = (
        "import sys\n"
        "from orchestrator.system.files import remove_tree\n"
        "try: remove_tree(sys.argv[1])\n"
        "except OSError as error: print(error)"
    )
    script = 'mount --bind "$0/source" "$0/tree/a b/point" && exec "$1" -c "$2" "$0/tree"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, str(tmp_path), sys.executable, code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"[Errno {errno.EBUSY}] something is mounted there: '{tmp_path}/tree/a b/point'\n"
    assert listing(str(tmp_path)) == ["source", "source/file", "tree", "tree/a b", "tree/a b/point", "tree/first"]


@pytest.mark.real
def test_without_root_a_folders_own_mode_is_no_obstacle() -> None:
    base = tempfile.mkdtemp(prefix="orchestrator-test-")
    os.chmod(base, 0o777)
    os.seteuid(65534)
    try:
        for path, mode in (("top/shut", 0o000), ("top/read/below", 0o500)):
            os.makedirs(f"{base}/{path}")
            Path(f"{base}/{path}/file").touch()
            os.chmod(f"{base}/{path}", mode)
        os.chmod(f"{base}/top/read", 0o500)
        os.chmod(f"{base}/top", 0o500)
        remove_tree(f"{base}/top")
    finally:
        os.seteuid(0)
    assert os.listdir(base) == []
    os.rmdir(base)
