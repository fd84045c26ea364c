"""`orchestrator plugins`: what kinds there are, and a project for another."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.core.kinds import HEADERS

RULES = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["select"]


def test_it_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    out, err = capsys.readouterr()
    head, *rows = out.splitlines()
    assert (head.split("  ")[0], err) == (HEADERS[0], "")
    assert any(row.startswith("mount    bind ") for row in rows)
    assert any(row.startswith("network  host ") for row in rows)


def test_it_tells_what_can_be_written_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "bind"]) == 0
    out, _ = capsys.readouterr()
    assert out.startswith("mount bind: A file or folder of the host")
    assert '\n    mounts."/data" = { type = "bind", source = "/srv/data" }\n' in out
    assert "\nsource: an absolute path\n" in out


@pytest.mark.parametrize("arguments", [["plugins", "--json"], ["plugins", "bind", "--json"]])
def test_it_tells_programs(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    pages = json.loads(capsys.readouterr().out)
    assert all(page["usable"] for page in pages)
    (bind,) = (page for page in pages if page["name"] == "bind")
    assert {"source", "options"} <= {option["name"] for option in bind["options"]}
    assert (len(pages) == 1) is ("bind" in arguments)


def test_a_name_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "bnid"]) == 1
    assert capsys.readouterr() == ("", 'orchestrator: there is no kind "bnid": did you mean "bind"?\n')


ONE_FILE = '''\
"""A kind of my own."""
from typing import ClassVar
from attrs import frozen
from orchestrator.plugin import Contribution, MountKind

@frozen(kw_only=True)
class Mine(MountKind):
    """Nothing at all."""
    type: ClassVar[str] = "mine"
    def questions(self): return ()
    def contribute(self, use, facts): return Contribution()
'''


def test_files_of_the_plugins_folder_are_listed_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "mine.py").write_text(ONE_FILE)
    (folder / "broken.py").write_text(ONE_FILE.replace("mine", "broken").replace("frozen(", "frozne("))
    (folder / "wrong.py").write_text("x =\n")
    assert main(["plugins", "--config", f"{tmp_path}"]) == 0
    out, err = capsys.readouterr()
    (mine,) = (line for line in out.splitlines() if line.startswith("mount    mine "))
    assert mine.split(maxsplit=3)[2:] == [f"{folder}/mine.py", "Nothing at all"]
    (broken,) = (line for line in out.splitlines() if line.startswith("mount    broken "))
    assert f"  cannot be used: {folder}/broken.py:6: NameError: name 'frozne' is not defined" in broken
    assert re.search(rf"^orchestrator: {folder}/wrong.py:1:\d+: SyntaxError: invalid syntax$", err, re.MULTILINE)
    assert main(["plugins", "broken", "--config", f"{tmp_path}"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("mount broken: (no description)\n")
    assert err == ""


@pytest.mark.parametrize("noun", ["mount", "network"])
def test_a_new_project_passes_its_own_test(noun: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its pytest and its mypy, as its author would run them, with nothing installed."""
    folder = tmp_path / "new"
    assert main(["plugins", "new", noun, "my-kind", f"{folder}"]) == 0
    out, err = capsys.readouterr()
    assert (out.splitlines()[0].partition(": ")[0], err) == (f"{folder}", "")
    assert not re.search("@[a-z]+@", "".join(path.read_text() for path in folder.rglob("*") if path.is_file()))
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    for tool, said in (("pytest", " passed"), ("mypy", "Success: no issues found")):
        command = [sys.executable, "-W", "error", "-m", tool]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert said in done.stdout
    for check in (["check", f"--select={','.join(RULES)}"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_project_is_made_below_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "mount", "cache"]) == 0
    assert (tmp_path / "orchestrator-mount-cache/src/orchestrator_mount_cache/__init__.py").is_file()
    assert main(["plugins", "new", "mount", "cache"]) == 1
    assert capsys.readouterr().err.endswith("orchestrator-mount-cache: it is not empty\n")


@pytest.mark.parametrize(
    ("arguments", "beginning"),
    [
        (["mount", "My"], 'a kind cannot be called "My"'),
        (["preset", "mine"], "Invalid value for 'mount|network'"),
        (["mount"], "Missing argument 'NAME'"),
    ],
)
def test_a_project_that_cannot_be(arguments: list[str], beginning: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "new", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"orchestrator: {beginning}")
    assert err.endswith(" (see orchestrator plugins new --help)\n")


def test_help_shows_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "--help"]) == 0
    out = capsys.readouterr().out
    assert "plugins [NAME] [--json] [--config DIR]\n" in out
    assert "plugins new mount|network NAME [DIR]\n" in out
