"""The kinds of files: loaded when they say something else, and what runs goes on with what it was made by."""

import re
import sys
from pathlib import Path

import pytest
from orchestrator_mounts.bind import Bind

from orchestrator.model.registry import Group, Unusable
from orchestrator.system import pluginfiles
from tests.system.helpers_plugins import HEAD, Folder, mount_kind
from tests.system.helpers_programs import write_program


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def modules() -> set[str]:
    return {name for name in sys.modules if name.startswith("orchestrator_plugin_")}


def test_a_file_has_kinds_and_the_installed_ones_are_there_too(folder: Folder) -> None:
    plugged = folder.write({"scratch.py": mount_kind()})
    kind = folder.find()
    assert isinstance(kind, type)
    assert kind.__doc__ == "An empty folder in memory."
    assert folder.find("bind") is Bind
    assert plugged.problems == ()
    origin = plugged.parser.registry.origin_of(Group.MOUNTS, "scratch")
    assert (origin.distribution, origin.place) == ("", f"{folder.plugins}/scratch.py")
    assert plugged.versions["orchestrator.mounts/scratch"] == f"{folder.plugins}/scratch.py {origin.version}"
    assert [path.name for path in folder.plugins.iterdir()] == ["scratch.py"]  # and no bytecode


def test_a_file_may_have_several_kinds_and_helpers_that_are_none(folder: Folder) -> None:
    network = mount_kind("lan").replace("(MountKind)", "(NetworkKind)").replace("class Kind", "class Lan")
    helper = "@frozen\nclass Helper:\n    a: int = 1\n"
    folder.write({"all.py": mount_kind() + network + helper})
    assert isinstance(folder.find("scratch", Group.MOUNTS), type)
    assert isinstance(folder.find("lan", Group.NETWORKS), type)
    assert folder.find("lan", Group.MOUNTS) is None
    assert folder.problems() == []


def test_the_example_of_the_guide_is_one(folder: Folder) -> None:
    guide = (Path(__file__).parents[2] / "plugins/README.md").read_text()
    [example] = re.findall(r"```python\n(# /etc/orchestrator/plugins/scratch.py\n.*?)```", guide, re.DOTALL)
    folder.write({"scratch.py": example})
    assert folder.problems() == []
    assert isinstance(folder.find(), type)


def test_nothing_is_loaded_again_that_says_the_same(folder: Folder) -> None:
    before = folder.write({"scratch.py": mount_kind(), "other.py": mount_kind("other")})
    kind, other = folder.find(), folder.find("other")
    assert folder.look() is before
    folder.write({"scratch.py": mount_kind(options="noexec")})
    assert folder.find() is not kind
    assert folder.find("other") is other
    assert folder.look() is folder.look()


def test_no_module_is_left_of_what_a_file_was(folder: Folder) -> None:
    before = modules()
    for options in ("nosuid", "noexec", "nodev"):
        # What another test has loaded of the same text is of no interest here.
        folder.write({"scratch.py": mount_kind(options=options) + f"# {folder.path}\n"})
        assert len(modules() - before) == 1
    (folder.plugins / "scratch.py").unlink()
    folder.look()
    assert modules() == before
    assert folder.find() is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD + "def (", "scratch.py:5:5: SyntaxError: invalid syntax"),
        (HEAD + "\nraise RuntimeError('no\\nway')\n", "scratch.py:6:1: RuntimeError: no way"),
        (HEAD + "\nimport sys\nsys.exit()\n", "scratch.py:7:1: SystemExit"),
        (HEAD + "import no_such_module\n", "scratch.py:5:1: ModuleNotFoundError: No module named 'no_such_module'"),
        (HEAD + "import json\n\njson.loads('{')\n", "scratch.py:7:1: JSONDecodeError: Expecting property name"),
        (HEAD, "scratch.py:1:1: it has no kind (write a class with MountKind or NetworkKind as its base and a type)"),
        (mount_kind().replace("(MountKind)", ""), "scratch.py:8:1: Kind has a type, and is no kind: its base must be"),
        (mount_kind().replace("use, facts)", "use)"), "scratch.py:8:1: expected contribute(self, use, facts), found c"),
        (mount_kind().replace("def contribute", "def give"), "scratch.py:8:1: expected contribute(self, use, facts), "),
        ("\0", "scratch.py:1:1: "),
    ],
)
def test_a_mistake_of_a_file_has_its_line_and_is_told_to_who_uses_its_kinds(
    folder: Folder, text: str, problem: str
) -> None:
    folder.write({"other.py": mount_kind("other"), "scratch.py": mount_kind()})
    good, other, before = folder.find(), folder.find("other"), modules()
    folder.write({"scratch.py": text})
    [told] = folder.problems()
    assert told.startswith(problem), told
    assert "\n" not in told
    assert folder.reason().startswith(f"{folder.plugins}/scratch.py:")
    assert folder.find("other") is other
    assert modules() == before or "expected contribute" in problem
    if "expected contribute" not in problem:
        # What runs, or is to be undone, goes on by what it was made by.
        assert folder.host.lasting.find(Group.MOUNTS, "scratch") is good
        folder.write({"scratch.py": mount_kind()})
        assert folder.find() is good
    folder.write({"scratch.py": mount_kind(options="noexec")})
    assert isinstance(folder.find(), type)
    assert folder.problems() == []


def test_of_a_file_that_was_never_good_its_kinds_are_known_by_its_text(folder: Folder) -> None:
    folder.write({"scratch.py": mount_kind() + "raise RuntimeError\n"})
    assert "RuntimeError" in folder.reason()
    assert isinstance(folder.find("scratch", Group.NETWORKS), Unusable)


def test_of_what_may_not_be_read_nobody_knows_what_it_has(folder: Folder) -> None:
    folder.write({"scratch.py": mount_kind()})
    (folder.plugins / "scratch.py").chmod(0o666)
    folder.look()
    assert "has mode 0666" in folder.reason()
    fresh = Folder.__new__(Folder)
    fresh.__dict__.update(folder.__dict__, host=type(folder.host)())
    assert fresh.look().parser.registry.unread == (f"{folder.plugins}/scratch.py",)
    assert fresh.find() is None


def test_a_folder_that_is_not_trusted_takes_back_what_it_had(folder: Folder) -> None:
    folder.write({"scratch.py": mount_kind()})
    good = folder.find()
    folder.plugins.chmod(0o777)
    folder.look()
    assert "has mode 0777" in folder.reason()
    assert len(folder.problems()) == 1
    folder.plugins.chmod(0o755)
    folder.look()
    assert folder.find() is good


def test_a_file_that_hangs_is_left_and_is_not_tried_again_before_it_is_another(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pluginfiles, "IMPORT", 0.2)
    hangs = mount_kind(then="import os, time; os.mkdir(__file__ + '.ran'); time.sleep(1000)")
    folder.write({"scratch.py": hangs, "other.py": mount_kind("other")})
    assert folder.problems() == ["scratch.py:6:1: loading it took longer than 0.2 s"]
    assert isinstance(folder.find("other"), type)
    folder.write({"other.py": mount_kind("another")})
    assert folder.problems() == ["scratch.py:6:1: loading it took longer than 0.2 s"]  # a second try were told
    folder.write({"scratch.py": mount_kind()})
    assert isinstance(folder.find(), type)


def test_a_reload_tries_again_what_could_not_be_loaded(folder: Folder, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    folder.write({"scratch.py": mount_kind(then=f"import os; os.stat({str(missing)!r})")})
    assert "FileNotFoundError" in folder.reason()
    missing.touch()
    folder.look()
    assert "FileNotFoundError" in folder.reason()
    folder.host.look_again()
    folder.look()
    assert isinstance(folder.find(), type)


def test_a_name_that_is_taken_stays_whose_it_was(folder: Folder) -> None:
    folder.write({"mine.py": mount_kind("bind")})
    assert folder.find("bind") is Bind
    [told] = folder.problems()
    assert told.startswith('mine.py:8:1: the mount kind "bind" is that of oci-orchestrator ')
    assert told.endswith(" already (give it another type)")


def test_of_two_files_with_one_name_neither_counts(folder: Folder) -> None:
    folder.write({"a.py": mount_kind()})
    good = folder.find()
    folder.write({"b.py": mount_kind()})
    assert "a.py and " in folder.reason()
    assert [told.partition(" ")[0] for told in folder.problems()] == ["a.py:8:1:", "b.py:8:1:"]
    assert folder.host.lasting.find(Group.MOUNTS, "scratch") is good
    (folder.plugins / "b.py").unlink()
    folder.look()
    assert folder.find() is good


def test_a_program_is_a_kind_by_its_name(folder: Folder) -> None:
    program = folder.plugins / "snapshot.mount"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    folder.look()
    [told] = folder.problems()
    assert told.startswith("snapshot.mount:1:1: ")
    example = Path(__file__).parents[2] / "examples/plugins/snapshot.mount"
    program.write_bytes(example.read_bytes())
    folder.look()
    assert folder.problems() == []
    assert isinstance(folder.find("snapshot"), type)


def test_a_program_that_others_may_write_to_now_is_not_run_to_undo_what_it_did(folder: Folder) -> None:
    program = write_program(folder.plugins / "disk.mount")
    source = folder.plugins / "scratch.py"
    folder.write({"scratch.py": mount_kind()})
    good, scratch = folder.find("disk"), folder.find()
    assert folder.host.lasting.find(Group.MOUNTS, "disk") is good
    for path, mode in ((program, 0o777), (folder.plugins, 0o777)):
        before = path.stat().st_mode
        path.chmod(mode)
        source.chmod(0o666)
        folder.look()
        undoing = folder.host.lasting
        assert isinstance(undoing.find(Group.MOUNTS, "disk"), Unusable)
        assert undoing.find(Group.MOUNTS, "scratch") is scratch, "what it said when it was trusted"
        path.chmod(before)
        source.chmod(0o644)
        folder.look()
        assert isinstance(folder.host.lasting.find(Group.MOUNTS, "disk"), type)
