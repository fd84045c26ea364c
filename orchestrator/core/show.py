"""The parts of a container as JSON data, for `show`: nothing that a file of variables says is in any of them.

Floor: core.
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

from orchestrator.core.choice import TYPE
from orchestrator.core.fields import describe_whole
from orchestrator.core.render import render_instance
from orchestrator.model.bundle import Instance
from orchestrator.model.definition import Definition
from orchestrator.model.registry import Registry
from orchestrator.model.spec import ReadySpec, Spec

HIDDEN = "(from env_files)"
"""What stands in the place of what a file of variables says."""


def show_definition(definition: Definition, registry: Registry) -> dict[str, Any]:
    """A definition with its defaults in, in the form of a file: see `describe_whole`."""
    return describe_whole(definition, registry)


def show_spec(spec: Spec | ReadySpec) -> dict[str, Any]:
    """A spec as data: an attrs class is an object (a kind with its ``type``), a set a sorted list."""
    data: dict[str, Any] = _to_plain(spec)
    # Digests of secrets, perhaps of short ones that could be guessed by them.
    del data["contents"]
    return data


def show_config(instance: Instance) -> dict[str, Any]:
    """The config.json of an instance as its bundle has it, without the variables of files: they come in only when the
    instance is made."""
    config: dict[str, Any] = json.loads(render_instance(instance))
    return config


def hide_variables(config: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """An instance's config.json in which a variable that is not in that of its bundle is there by its name only."""
    known = frozenset(stored.get("process", {}).get("env", ()))
    process = config.get("process", {})
    env = [entry if entry in known else f"{entry.partition('=')[0]}={HIDDEN}" for entry in process.get("env", ())]
    return {**config, "process": {**process, "env": env}} if env else dict(config)


def _to_plain(value: object) -> Any:  # noqa: ANN401 - JSON data
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, frozenset):
        return sorted(_to_plain(item) for item in value)
    if isinstance(value, tuple | list):
        return [_to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _to_plain(item) for key, item in value.items()}
    cls: Any = type(value)
    if attrs.has(cls):
        kind = getattr(cls, TYPE, None)
        table = {TYPE: kind} if isinstance(kind, str) else {}
        return table | {declared.name: _to_plain(getattr(value, declared.name)) for declared in attrs.fields(cls)}
    return value
