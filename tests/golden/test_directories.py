"""Directories of definitions that carry their expectations as comments.

``directories/NAME/``: what is wrong with files only when all of them are seen together, or right though one of them is
broken. Each file says what is expected of it as those of ``problems/`` do; one without an expectation has no problem.
"""

from pathlib import Path

import pytest
import trio

from orchestrator.core.parse import Parser
from orchestrator.model.action import Broken
from orchestrator.model.facts import PathKind
from orchestrator.model.source import Source, form_of
from orchestrator.tasks.compile import compile_sources
from orchestrator.tasks.linking import LinkCheck
from orchestrator.testing.directory import FakeWorld
from tests.core.helpers_world import FILES
from tests.golden.test_bundles import REGISTRY
from tests.golden.test_golden import EXPECT, matches

FOLDERS = sorted((Path(__file__).parent / "directories").iterdir())
PASSWD = {"/etc/passwd": "root:x:0:0::/root:/bin/sh\n", "/etc/group": "root:x:0:\n"}

PLUGINS = {path: PathKind.FILE for path in FILES if path.startswith("/usr/")}
"""What networks need."""


def read_expectations(folder: Path, file: str) -> list[str]:
    told = folder / (file if file.endswith(".toml") else f"{file}.expect")
    return EXPECT.findall(told.read_text())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_directories(folder: Path) -> None:
    files = sorted((*folder.glob("*.toml"), *folder.glob("*.json")))
    sources = [Source(path.stem, path.name, path.read_text(), form=form_of(path.name)) for path in files]
    compiled = trio.run(compile_sources, sources, {}, Parser(REGISTRY), FakeWorld(PLUGINS, PASSWD))
    checked = LinkCheck().check(compiled)
    assert checked.keys() == {path.stem for path in files}
    for path in files:
        result = checked[path.stem].result
        problems = result.problems if isinstance(result, Broken) else ()
        expected, said = read_expectations(folder, path.name), [str(problem) for problem in problems]
        assert len(expected) == len(problems), said
        for line, problem in zip(expected, problems, strict=True):
            assert matches(line, problem), f"expected {line!r} among {said}"


def test_each_directory_has_something_wrong() -> None:
    for folder in FOLDERS:
        assert any(read_expectations(folder, path.name) for path in folder.glob("*.toml")), folder
