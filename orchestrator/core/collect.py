"""Collects the parts that a container is made of beside its definition's own keys. Floor: core.

What few definitions need is loaded with the first of them, as in `orchestrator.core.further`.
"""

from attrs import evolve

from orchestrator.core.accounts import find_user
from orchestrator.core.cdi_names import has_cdi_names
from orchestrator.core.files import choose_args
from orchestrator.core.foreign import Patience
from orchestrator.core.parts import Part
from orchestrator.core.plugged import find_uses
from orchestrator.core.rootfs import give_way
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts
from orchestrator.model.problem import Fault


def contribute_kinds(name: str, definition: Definition, facts: Facts, patience: Patience) -> tuple[Part, ...]:
    """What the kinds of a definition contribute; a network mounts nothing where the definition does. patience: with
    them."""
    uses = find_uses(name, definition, find_user(definition, facts))
    parts = tuple(Part(each.path, each.contribute(facts, patience), each) for each in uses)
    return tuple(
        part if part.is_mount else evolve(part, contribution=give_way(part.contribution, definition.mounts))
        for part in parts
    )


def collect_parts(
    name: str, definition: Definition, facts: Facts, patience: Patience
) -> tuple[tuple[Part, ...], tuple[Fault, ...]]:
    """What a container is made of beside the definition's own keys, the weaker before the stronger: what files of the
    host say of CDI devices, what kinds say, and hooks; and what is wrong that is of none of them."""
    edits: tuple[Part, ...] = ()
    hooks: tuple[Part, ...] = ()
    faults: tuple[Fault, ...] = ()
    if has_cdi_names(definition):
        from orchestrator.core.cdi_edits import find_edit_parts

        edits, faults = find_edit_parts(definition, facts)
    kinds = contribute_kinds(name, definition, facts, patience)
    if definition.hooks_dirs:
        from orchestrator.core.hooks import Asked, find_hook_parts

        asked = Asked(
            command=choose_args(definition)[0],
            annotations={str(key): value for key, value in definition.annotations.items()},
            has_bind_mounts=any(part.has_bind for part in kinds),
        )
        hooks = find_hook_parts(definition, asked, facts)
    return (*edits, *kinds, *hooks), faults
