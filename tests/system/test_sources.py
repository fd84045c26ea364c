"""Reading definition files: their form, their time, and two for one name."""

import os
from pathlib import Path

from orchestrator.model.source import Form
from orchestrator.system.directory import SUFFIXES
from orchestrator.system.sources import read_source, read_sources


def test_both_forms_are_read_and_two_of_a_name_in_order(tmp_path: Path) -> None:
    for name in ("web.toml", "db.json", "web.json", "web.yaml", "web.JSON", "web.json~"):
        (tmp_path / name).write_text(name)
    sources = read_sources(str(tmp_path), SUFFIXES).sources
    assert [(source.name, os.path.basename(source.file), source.form) for source in sources] == [
        ("db", "db.json", Form.JSON),
        ("web", "web.json", Form.JSON),
        ("web", "web.toml", Form.TOML),
    ]
    assert [source.text for source in sources] == ["db.json", "web.json", "web.toml"]


def test_the_time_of_an_edit_is_that_of_the_file_and_makes_no_other_source(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "web.toml").symlink_to("file")
    os.utime(tmp_path / "file", (5, 1_700_000_000.25))
    before = read_source(f"{tmp_path}/web.toml")
    assert before.modified_at == 1_700_000_000.25
    os.utime(tmp_path / "file", (5, 1_800_000_000))
    after = read_source(f"{tmp_path}/web.toml")
    assert after.modified_at == 1_800_000_000
    assert after == before


def test_a_file_that_cannot_be_read_has_its_form(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    for name in ("folder.json", "missing.json", "none/missing.json"):
        source = read_source(f"{tmp_path}/{name}")
        assert source.form is Form.JSON
        assert source.text is None
        assert source.error is not None
