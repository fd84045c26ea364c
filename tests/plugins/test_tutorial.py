"""The way from nothing to a running container in the author's guide: each block is written or run, in its order."""

import os
import sys
from pathlib import Path

import pytest

from tests.plugins.guide_blocks import Block, find_blocks, find_section, matches, try_blocks

GUIDE = (Path(__file__).parents[2] / "plugins/README.md").read_text()
SECTION = find_section(GUIDE, "From nothing to a running container")
BLOCKS = find_blocks(SECTION)
DATA = "/srv/my-data"
"""The folder of the host that the guide makes; a test makes another."""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Of somebody who has the agent installed and writes a plugin: pip puts it where this test alone finds it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ORCHESTRATOR_", "PYTEST_", "PYTHON", "PIP_"))
    }
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{tmp_path / 'installed'}",
        "PIP_TARGET": f"{tmp_path / 'installed'}",
        "PIP_UPGRADE": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # it is read as the option --no-build-isolation, whose value is a "no"
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "ORCHESTRATOR_STATE": f"{tmp_path / 'state'}",
        "ORCHESTRATOR_RUN": f"{tmp_path / 'run'}",
        "ORCHESTRATOR_RUNTIME": "runc",
        "NO_COLOR": "1",
    }


def make_project(tmp_path: Path) -> Path:
    folder = tmp_path / "my-kinds"
    folder.mkdir()
    return folder


def blocks_for(tmp_path: Path) -> list[Block]:
    assert DATA in SECTION
    return find_blocks(SECTION.replace(DATA, f"{tmp_path}/my-data"))


def test_all_but_the_container_works_without_root(tmp_path: Path, environ: dict[str, str]) -> None:
    ran = try_blocks(blocks_for(tmp_path), make_project(tmp_path), environ, skip=("orchestrator run",))
    assert ran >= 6, "the guide has commands"


@pytest.mark.real
def test_each_block_works(tmp_path: Path, environ: dict[str, str]) -> None:
    commands = [command for block in BLOCKS if block.language == "console" for command, _ in block.list_commands()]
    assert any(command.startswith("orchestrator run ") for command in commands)
    assert try_blocks(blocks_for(tmp_path), make_project(tmp_path), environ) == len(commands)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_its_files_are_tidy(tmp_path: Path) -> None:
    assert {block.file for block in BLOCKS if block.language != "console"} == {
        "pyproject.toml",
        "my_kinds.py",
        "test_my_kinds.py",
        "definitions/web.toml",
    }


@pytest.mark.parametrize(
    ("expected", "printed", "fits"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a\nb\n", False),
        ("a\n…\n", "a\nb\nc\n", True),
        ("…\nc\n", "a\nb\nc\n", True),
        ("…\nc\n", "a\nb\n", False),
        ("a … c\n", "a b c\n", True),
        ("a … c\n", "a b\nc\n", False),
        ("a.c\n", "abc\n", False),
        ("a  b\n", "a     b\n", True),
        ("  a b\n", "    a b\n", False),
    ],
)
def test_what_is_printed_is_compared(expected: str, printed: str, fits: bool) -> None:
    assert matches(expected, printed) is fits
