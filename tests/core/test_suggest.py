"""The hints of faults, in the form of the file that they are for."""

import json
import tomllib

import pytest
from orchestrator_mounts.bind import Bind

from orchestrator.core.suggest import complete_hint, rewrite_hint
from orchestrator.model import definition, log, policy, resources, rootfs
from orchestrator.model.option import options_of
from orchestrator.model.problem import Fault, Guess
from orchestrator.model.source import Form

OPTIONS = (
    (Bind, "source"),
    *(
        (kind, declared.alias or declared.name)
        for module in (definition, log, policy, resources, rootfs)
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__ and hasattr(kind, "__attrs_attrs__")
        for declared in options_of(kind)
    ),
)


@pytest.mark.parametrize(
    ("hint", "rewritten"),
    [
        ("", ""),
        ('write "10s" or "1m30s"', 'write "10s" or "1m30s"'),
        ('write delay = "10s"', 'write "delay": "10s"'),
        ('write { type = "directory", path = "/srv" }', 'write { "type": "directory", "path": "/srv" }'),
        ('write mounts = { "/a = b" = { source = "/c = d" } }', 'write "mounts": { "/a = b": { "source": "/c = d" } }'),
        ('write A = "x = \\"y = 1\\""', 'write "A": "x = \\"y = 1\\""'),
        ('write rootfs = "host" or rootfs = { path = ... }', 'write "rootfs": "host" or "rootfs": { "path": ... }'),
        ("a name is made of a-z, 0-9, '.', '_' and '-'", "a name is made of a-z, 0-9, '.', '_' and '-'"),
        ('write restart.delay = "10s"', 'write restart.delay = "10s"'),
    ],
)
def test_a_hint_is_written_as_the_form_has_it(hint: str, rewritten: str) -> None:
    assert rewrite_hint(hint, Form.JSON) == rewritten
    assert rewrite_hint(hint, Form.TOML) == hint


def test_a_guess_is_the_same_in_every_form() -> None:
    fault = Fault((), "wrong", 'write a = "b"', guess=Guess("argz", ("args",)))
    assert complete_hint(fault, Form.JSON) == complete_hint(fault, Form.TOML) == 'did you mean "args"?'


def test_every_example_of_the_model_becomes_the_same_json() -> None:
    assert len(OPTIONS) > 40
    for kind, key in OPTIONS:
        (declared,) = (each for each in options_of(kind) if key in (each.alias, each.name))
        example = f"{key} = {declared.metadata['example']}"
        assert json.loads(f"{{{rewrite_hint(example, Form.JSON)}}}") == tomllib.loads(example), kind
