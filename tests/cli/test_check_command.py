"""`orchestrator check`: all problems of all files with their lines, without an agent and without root."""

import json
import os
from pathlib import Path

import pytest

from orchestrator.cli import main

GOOD = 'args = ["/bin/true"]\nrootfs = "host"\n'
BAD = 'arg = ["/bin/true"]\nrootfs = "hots"\n[restart]\ndelay = 3\n'


def test_a_good_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "web.toml").write_text(GOOD)
    (tmp_path / ".web.toml.swp").write_text("nonsense")
    (tmp_path / "notes.txt").write_text("nonsense")
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "1 definition, 0 problems\n"


def test_all_problems_of_all_files_with_an_excerpt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_text(BAD)
    (tmp_path / "b.toml").write_text(GOOD + 'mounts."/data".source = "/srv/is/not/there"\n')
    (tmp_path / "Wrong Name.toml").write_text(GOOD)
    assert main(["check", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert f'{tmp_path}/a.toml:2:10: rootfs: unknown kind of root file system "hots"' in out
    assert '  2 | rootfs = "hots"\n    |          ^\n  did you mean "host"?' in out
    assert f"{tmp_path}/a.toml:4:9: restart.delay:" in out
    assert f'{tmp_path}/b.toml:3:25: mounts."/data".source:' in out
    assert f"{tmp_path}/Wrong Name.toml:1:1:" in out
    assert out.endswith("3 definitions, 6 problems\n")


def test_json_is_a_list_of_problems_with_these_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "web.toml"
    file.write_text(GOOD + "env = 3\n")
    assert main(["check", "--json", str(file)]) == 1
    (problem,) = json.loads(capsys.readouterr().out)
    assert set(problem) == {"file", "line", "column", "path", "message", "hint"}
    assert (problem["file"], problem["line"], problem["column"], problem["path"]) == (str(file), 3, 7, "env")
    file.write_text(GOOD)
    assert main(["check", "--json", str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_what_files_say_of_each_other_is_checked_where_all_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web.toml").write_text(GOOD + 'after = ["api", "dbb"]\n')
    (tmp_path / "api.toml").write_text(GOOD + 'requires = ["web", "both"]\n')
    (tmp_path / "db.toml").write_text(GOOD)
    for suffix in ("toml", "json"):
        (tmp_path / f"both.{suffix}").write_text("{}" if suffix == "json" else GOOD)
    assert main(["check", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert f"{tmp_path}/web.toml:3:10: after[0]: they wait for each other: web → api → web" in out
    assert f"{tmp_path}/api.toml:3:13: requires[0]: they wait for each other: api → web → api" in out
    assert f'{tmp_path}/web.toml:3:17: after[1]: there is no definition of "dbb"' in out
    assert 'did you mean "db"?' in out
    assert "requires[1]" not in out, "two files claim the name, so there is one"
    # Of a file alone it is not known which others there are to be.
    assert main(["check", str(tmp_path / "web.toml")]) == 0


def test_one_name_in_two_directories_is_checked_in_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, text in (("a", BAD), ("b", GOOD)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "web.toml").write_text(text)
    assert main(["check", str(tmp_path / "a"), str(tmp_path / "b" / "web.toml")]) == 1
    assert "2 definitions, 4 problems" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.toml", "no such file or directory"), ("web.txt", '"web.txt" is not a definition')],
)
def test_a_file_that_is_no_definition(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    (tmp_path / "web.txt").write_text(GOOD)
    assert main(["check", str(tmp_path / name)]) == 1
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nonexistent", "No Such Name", "none/web.toml", "Web.toml"])
def test_what_is_missing_is_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["check", f"{tmp_path}/{name}"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{tmp_path}/{name}:1:1: cannot read the file: no such file or directory\n")
    assert out.endswith("1 definition, 1 problem\n")


def test_the_watched_directory_is_the_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "web.toml").write_text(GOOD)
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", str(tmp_path))
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "1 definition, 0 problems\n"


def test_a_line_that_a_terminal_would_obey_is_shown_harmless(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web.toml").write_text(GOOD + 'hostname = "\\u001b[31mred"\n')
    assert main(["check", str(tmp_path)]) == 1
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.real
def test_nobody_may_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without root, on files that anybody may read. Once as root before, which loads what the interpreter keeps where
    nobody may look."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    (tmp_path / "web.toml").write_text(BAD)
    as_root = (main(["check", str(tmp_path)]), capsys.readouterr().out)
    os.seteuid(65534)
    try:
        as_nobody = (main(["check", str(tmp_path)]), capsys.readouterr().out)
    finally:
        os.seteuid(0)
    assert as_nobody == as_root
    assert as_nobody[0] == 1


def test_a_missing_watched_directory_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", f"{tmp_path}/none")
    assert main(["check"]) == 1
    shown = capsys.readouterr()
    assert shown.err == f"orchestrator: cannot read the directory {tmp_path}/none: no such file or directory\n"
    assert shown.out == ""


def test_json_is_checked_as_toml_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "web.json"
    file.write_text('{\n  "args": ["/bin/true"],\n  "rootfs": "host",\n  "restart": {"delay": 3}\n}\n')
    assert main(["check", str(tmp_path)]) == 1
    assert capsys.readouterr().out == (
        f"{file}:4:24: restart.delay: expected a duration, found the integer 3\n"
        '  4 |   "restart": {"delay": 3}\n'
        "    |                        ^\n"
        '  write "3s"\n\n'
        "1 definition, 1 problem\n"
    )


def test_two_files_for_one_name_are_problems_beside_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web.toml").write_text(GOOD)
    (tmp_path / "web.json").write_text('{"args": ["/bin/true"], "rootfs": "hots"}')
    (tmp_path / "db.toml").write_text(GOOD)
    assert main(["check", "--json", str(tmp_path)]) == 1
    problems = json.loads(capsys.readouterr().out)
    assert [(problem["file"], problem["line"], problem["column"], problem["path"]) for problem in problems] == [
        (f"{tmp_path}/web.json", 1, 1, ""),
        (f"{tmp_path}/web.json", 1, 35, "rootfs"),
        (f"{tmp_path}/web.toml", 1, 1, ""),
    ]
    assert problems[0]["message"] == 'a second definition of "web": also in web.toml'
    assert problems[2]["message"] == 'a second definition of "web": also in web.json'
