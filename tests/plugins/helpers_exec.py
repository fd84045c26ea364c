"""Plugin kinds of programs that are not run: what they would print is given."""

import json
from typing import Any

from attrs import evolve

from orchestrator.core.exec_kind import ExecKind, make_exec_kind, read_program
from orchestrator.core.locate import locate_in_source
from orchestrator.core.parse import parse_definition
from orchestrator.core.plugged import PluggedUse, find_uses
from orchestrator.model.contribution import Contribution
from orchestrator.model.definition import Definition
from orchestrator.model.facts import ExecAnswer, ExecQuestion
from orchestrator.model.registry import Group, Registry
from orchestrator.model.source import Source
from tests.core.helpers_world import answer

PATH = "/etc/orchestrator/plugins/disk.mount"
OPTIONS = {
    "size": {"type": "size", "required": True, "doc": "How large.", "minimum": 4096, "example": "16M"},
    "mode": {"type": "string", "choices": ["fast", "safe"], "default": "safe", "doc": "How."},
    "wait": {"type": "duration", "default": "1m30s", "doc": "How long."},
    "labels": {"type": "table", "items": "integer", "doc": "Free."},
    "tags": {"type": "list", "doc": "Some."},
    "attach": {"type": "boolean", "default": False, "doc": "Called as a method of kinds is."},
    "ratio": {"type": "number", "doc": "A part.", "maximum": 1},
    "count": {"type": "integer", "doc": "So many."},
    "at": {"type": "path", "doc": "Where."},
}
DESCRIPTION: dict[str, Any] = {
    "supported": ["1.0"],
    "doc": "A disk.",
    "attaches": ["connect", "prepare"],
    "options": OPTIONS,
}


def printed(value: object) -> ExecAnswer:
    """A program that succeeds, with this JSON."""
    return ExecAnswer(0, json.dumps(value))


def make_kind(description: object = DESCRIPTION, group: Group = Group.MOUNTS) -> type[ExecKind]:
    """The kind "disk"."""
    return make_exec_kind(read_program(group, "disk", PATH, "d1", printed(description)))


def registry(kind: type[ExecKind]) -> Registry:
    """With that kind as a mount."""
    return Registry().with_kind(Group.MOUNTS, "disk", kind)


def use_of(kind: type[ExecKind], options: str) -> PluggedUse:
    """The use of the kind by a definition."""
    source = Source("web", "web.toml", f'args = ["web"]\nmounts."/disk" = {{ type = "disk", {options} }}\n')
    definition = parse_definition(source, registry(kind))
    assert isinstance(definition, Definition), definition
    (used,) = find_uses("web", definition)
    return used


def problems_of(kind: type[ExecKind], options: str) -> list[str]:
    """What is wrong with the options of such a use, as people are told."""
    source = Source("web", "web.toml", f'args = ["web"]\n[mounts."/disk"]\ntype = "disk"\n{options}\n')
    faults = parse_definition(source, registry(kind))
    assert isinstance(faults, tuple), faults
    return [str(problem) for problem in locate_in_source(source, faults)]


def question_of(used: PluggedUse) -> ExecQuestion:
    """What the program is asked."""
    (question,) = used.ask()
    assert isinstance(question, ExecQuestion)
    return question


def contribution_of(given: ExecAnswer | object, options: str = 'size = "1M"', **changes: object) -> Contribution:
    """What follows from what the program prints. changes: of its description."""
    used = use_of(make_kind({**DESCRIPTION, **changes}), options)
    facts = evolve(answer(()), programs={question_of(used): given if isinstance(given, ExecAnswer) else printed(given)})
    return used.contribute(facts)
