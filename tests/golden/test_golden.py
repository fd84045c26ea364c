"""Definition files that carry their expectations as comments.

``problems/*.toml``: one file for each kind of mistake; each ``# expect: LINE:COLUMN: PATH: FRAGMENT`` is a problem of
the file, in order, and there are no others. FRAGMENT is a part of the message with its hint; PATH is left away for a
problem of the whole file. A new kind of problem, or a bug of the parser, becomes a test by dropping in a file.
``problems/*.json``: the same, with the comments in a file beside it, ``NAME.json.expect``, since JSON has none.
"""

import re
from pathlib import Path

import pytest
from orchestrator_mounts.bind import Bind
from orchestrator_mounts.file import InlineFile
from orchestrator_mounts.overlay import Overlay
from orchestrator_mounts.secret import Secret
from orchestrator_mounts.tmpfs import Tmpfs
from orchestrator_mounts.volume import Volume
from orchestrator_networks.host import HostNetwork
from orchestrator_networks.none import NoNetwork

from orchestrator.core.locate import locate_faults
from orchestrator.core.parse import Parser
from orchestrator.model.problem import Problem
from orchestrator.model.registry import Group, Registry
from orchestrator.model.source import Source, form_of

PROBLEMS = Path(__file__).parent / "problems"
MOUNTS = {kind.type: kind for kind in (Bind, InlineFile, Overlay, Secret, Tmpfs, Volume)}
REGISTRY = Registry({Group.MOUNTS: MOUNTS, Group.NETWORKS: {"none": NoNetwork, "host": HostNetwork}})
FILES = sorted((*PROBLEMS.glob("*.toml"), *PROBLEMS.glob("*.json")))
EXPECT = re.compile(r"^# expect: (.*)$", re.MULTILINE)


def find_problems(path: Path) -> tuple[Problem, ...]:
    text = path.read_bytes().decode()
    faults = Parser(REGISTRY).parse(Source(path.stem, path.name, text, form=form_of(path.name)))
    assert isinstance(faults, tuple), "this definition is good"
    return locate_faults(path.name, text, faults)


def read_expectations(path: Path) -> list[str]:
    told = path if path.suffix == ".toml" else path.with_name(f"{path.name}.expect")
    return EXPECT.findall(told.read_bytes().decode())


def matches(expected: str, problem: Problem) -> bool:
    head = f"{problem.line}:{problem.column}: " + (f"{problem.path}: " if problem.path else "")
    said = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    return expected.startswith(head) and expected.removeprefix(head) in said


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_problems(path: Path) -> None:
    expected = read_expectations(path)
    problems = find_problems(path)
    said = [str(problem) for problem in problems]
    assert expected, "a golden file says what is expected"
    assert len(expected) == len(problems), said
    for line, problem in zip(expected, problems, strict=True):
        assert matches(line, problem), f"expected {line!r} among {said}"


def test_messages_keep_their_form() -> None:
    for path in FILES:
        for problem in find_problems(path):
            assert problem.message
            assert "\n" not in str(problem)
            assert not problem.message.endswith(".")
            assert not problem.hint.endswith(".")
            # A message goes on after "path: ", so it begins small, but for what is quoted.
            assert not problem.message[0].isupper()


def test_every_file_is_a_kind_of_its_own() -> None:
    assert sum(path.suffix == ".toml" for path in FILES) >= 20
    assert sum(path.suffix == ".json" for path in FILES) >= 10


def test_every_expectation_has_its_file() -> None:
    for told in PROBLEMS.glob("*.expect"):
        assert told.with_suffix("").exists(), told
