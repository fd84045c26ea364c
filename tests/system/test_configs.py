"""Reading a bundle's config.json back."""

from pathlib import Path

import pytest

from orchestrator.ports import DiskFailed
from orchestrator.system.configs import read_config


def test_what_stands_there(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hostname": "größe"}', encoding="utf-8")
    assert read_config(str(tmp_path)) == {"hostname": "größe"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_config(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    assert read_config(str(tmp_path)) is None


def test_there_is_none(tmp_path: Path) -> None:
    assert read_config(str(tmp_path)) is None
    assert read_config(f"{tmp_path}/nowhere") is None
    (tmp_path / "file").touch()
    assert read_config(f"{tmp_path}/file") is None


def test_one_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(DiskFailed, match=r"cannot read .*/config\.json: Is a directory"):
        read_config(str(tmp_path))
