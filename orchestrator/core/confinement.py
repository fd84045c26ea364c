"""What an application may do, and what it may not: the part of a spec that holds it in. Floor: core."""

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from orchestrator.core import defaults
from orchestrator.core.capabilities import choose_capabilities
from orchestrator.core.devices import choose_devices
from orchestrator.core.profile import choose_seccomp
from orchestrator.core.rlimits import choose_rlimits
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts
from orchestrator.model.oci import Device, Rlimit
from orchestrator.model.problem import Fault


@frozen(kw_only=True)
class Confinement:
    """As the fields of `orchestrator.model.spec.Spec` of these names; worth nothing where there are faults."""

    capabilities: tuple[str, ...]
    seccomp: Mapping[str, Any] | None
    devices: tuple[Device, ...]
    rlimits: tuple[Rlimit, ...]
    masked_paths: tuple[str, ...]
    readonly_paths: tuple[str, ...]
    faults: tuple[Fault, ...]


def choose_confinement(definition: Definition, uid: int, plugged: Iterable[str], facts: Facts) -> Confinement:
    """How the application of a definition is confined. uid: who it runs as. plugged: the capabilities that its plugins
    add, with ``CAP_``."""
    host = facts.host
    given = {*(defaults.ROOT_CAPABILITIES if uid == 0 else ()), *plugged}
    capabilities, wrong_capabilities = choose_capabilities(definition.capabilities, given, host.bounding_set)
    seccomp = choose_seccomp(definition.seccomp, facts, capabilities)
    devices, wrong_devices = choose_devices(definition.devices, facts.devices)
    rlimits, wrong_rlimits = choose_rlimits(definition.rlimits)
    wrong_profile = (seccomp,) if isinstance(seccomp, Fault) else ()
    masked, kept = definition.masked_paths, definition.readonly_paths
    return Confinement(
        capabilities=capabilities,
        seccomp=None if isinstance(seccomp, Fault) else seccomp,
        devices=devices,
        rlimits=rlimits,
        masked_paths=defaults.MASKED_PATHS if masked is None else masked,
        readonly_paths=defaults.READONLY_PATHS if kept is None else kept,
        faults=(*wrong_capabilities, *wrong_profile, *wrong_devices, *wrong_rlimits, *_check_masks(masked or ())),
    )


def _check_masks(paths: Iterable[str]) -> Iterable[Fault]:
    """What is mounted over the root file system hides nothing of it: a process's root is below that mount."""
    for index, path in enumerate(paths):
        if path == "/":
            yield Fault(("masked_paths", index), 'cannot mask "/": it is the root file system', "name what is in it")
