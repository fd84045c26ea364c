"""What is run of the plugins folder: only what nobody else can have written, and just what was looked at."""

import os
from pathlib import Path

import pytest

from orchestrator.model.pluginfile import PluginFile
from orchestrator.system import pluginfolder
from orchestrator.system.pluginfolder import read_plugins

OTHER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to another")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "plugins"
    made.mkdir(mode=0o755)
    return made


def write(path: Path, text: str = "a = 1\n", mode: int = 0o644) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def read_one(folder: Path) -> PluginFile:
    [file] = read_plugins(str(folder.parent))
    return file


def test_a_directory_without_plugins_has_none(tmp_path: Path, folder: Path) -> None:
    assert read_plugins(str(tmp_path / "elsewhere")) == ()
    assert read_plugins(str(tmp_path)) == ()
    folder.rmdir()
    assert read_plugins(str(tmp_path)) == ()


def test_python_files_are_read_and_programs_are_known_by_their_stamp(folder: Path) -> None:
    write(folder / "scratch.py", "b = 2\n")
    write(folder / "snapshot.mount", "#!/bin/sh\n", 0o755)
    for name in ("notes.txt", ".hidden.py", "scratch.py~", ".py", "README"):
        write(folder / name)
    scratch, snapshot = read_plugins(str(folder.parent))
    assert (scratch.name, scratch.suffix, scratch.code, scratch.fault) == ("scratch", ".py", b"b = 2\n", "")
    assert (snapshot.name, snapshot.suffix, snapshot.code, snapshot.fault) == ("snapshot", ".mount", b"", "")
    assert len(scratch.digest) == len(snapshot.digest) == 64
    os.utime(folder / "scratch.py", (1, 1))
    assert read_plugins(str(folder.parent))[0] == scratch
    write(folder / "snapshot.mount", "#!/bin/sh\n\n", 0o755)
    assert read_plugins(str(folder.parent))[1] != snapshot


def test_a_path_that_is_not_absolute_is_told_as_it_was_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "scratch.py")
    monkeypatch.chdir(folder.parent)
    assert [file.path for file in read_plugins("")] == ["plugins/scratch.py"]
    [file] = read_plugins(f"../{folder.parent.name}")
    assert file.path == f"../{folder.parent.name}/plugins/scratch.py"


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o622])
def test_what_others_may_write_to_is_not_loaded(folder: Path, mode: int) -> None:
    path = write(folder / "scratch.py", mode=mode)
    file = read_one(folder)
    assert (file.digest, file.code) == ("", b"")
    assert file.fault.startswith(f"it is not loaded: {path} of ")
    assert f"has mode {mode:04o}, so that others may write to it: chmod go-w it" in file.fault


@needs_root
def test_what_belongs_to_another_is_not_loaded_wherever_that_is(folder: Path) -> None:
    path = write(folder / "scratch.py")
    os.chown(path, OTHER, 0)
    assert read_one(folder).fault == f"it is not loaded: {path} of uid {OTHER} (mode 0644) must belong to root"
    os.chown(path, 0, 0)
    assert not read_one(folder).fault
    os.chown(folder, OTHER, 0)
    assert f"{folder} of uid {OTHER} (mode 0755) must belong to root" in read_one(folder).fault
    os.chown(folder, 0, 0)
    os.chown(folder.parent, OTHER, 0)
    assert f"{folder.parent} of uid {OTHER}" in read_one(folder).fault
    assert read_one(folder).path == str(folder)


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_folder_that_others_may_write_to_holds_nothing_that_is_loaded(folder: Path, mode: int) -> None:
    write(folder / "scratch.py")
    folder.chmod(mode)
    file = read_one(folder)
    assert file.path == str(folder)
    assert f"has mode {mode:04o}" in file.fault


def test_in_a_sticky_folder_it_is_the_entry_that_counts(folder: Path, tmp_path: Path) -> None:
    """As in /tmp, and in /nix/store, which its build users may write to."""
    tmp_path.chmod(0o1777)
    write(folder / "scratch.py")
    assert not read_one(folder).fault


def test_a_link_is_followed_and_every_folder_on_the_way_is_looked_at(folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir(mode=0o755)
    write(store / "1.py", "first = 1\n")
    (folder / "scratch.py").symlink_to("../store/1.py")
    assert read_one(folder).code == b"first = 1\n"
    store.chmod(0o777)
    assert f"{store} of " in read_one(folder).fault
    store.chmod(0o755)
    (store / "1.py").chmod(0o666)
    assert f"{store}/1.py of " in read_one(folder).fault
    (store / "1.py").unlink()
    assert read_one(folder).fault == "cannot read it: no such file or directory"


@needs_root
def test_a_link_of_another_is_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.chmod(0o1755)
    write(tmp_path / "1.py")
    (folder / "scratch.py").symlink_to(tmp_path / "1.py")
    os.lchown(folder / "scratch.py", OTHER, 0)
    assert "must belong to root" in read_one(folder).fault


def test_what_is_no_file_is_told(folder: Path) -> None:
    (folder / "scratch.py").mkdir()
    assert read_one(folder).fault == "cannot read it: it is not a regular file"
    (folder / "scratch.py").rmdir()
    os.mkfifo(folder / "scratch.py")
    assert read_one(folder).fault == "cannot read it: it is not a regular file"


def test_what_is_too_large_is_told(folder: Path) -> None:
    write(folder / "scratch.py", "#" * (2 << 20))
    assert "it is larger than" in read_one(folder).fault


def test_a_program_must_be_executable(folder: Path) -> None:
    write(folder / "snapshot.mount", "#!/bin/sh\n")
    assert "it has mode 0644 and is not executable: chmod +x it" in read_one(folder).fault


def test_a_file_that_takes_its_place_meanwhile_is_looked_at_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first look and the open somebody swaps it: what is opened is what counts."""
    path = write(folder / "scratch.py")
    check = pluginfolder._check_regular
    others = [0o666]

    def swap(status: os.stat_result) -> None:
        check(status)
        if others:
            path.unlink()
            write(path, mode=others.pop())

    monkeypatch.setattr(pluginfolder, "_check_regular", swap)
    assert "has mode 0666" in read_one(folder).fault
