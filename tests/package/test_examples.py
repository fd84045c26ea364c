"""Every example is a definition that runs as it is: it has no problem on this host."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(file for file in EXAMPLES.rglob("*.toml") if file.name != "pyproject.toml")


def check(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("orchestrator")), "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_an_example_has_no_problem(file: Path) -> None:
    result = check(file)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("folder", ["quickstart", "shared-network"])
def test_a_directory_has_no_problem(folder: str) -> None:
    result = check(EXAMPLES / folder)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_an_example_begins_with_what_it_shows(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("# ")
    assert tomllib.loads(text)["args"]
