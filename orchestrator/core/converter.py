"""The strict converter: plain values, as TOML has them, to the classes of the model, with every fault on the way.

Nothing is coerced: a string is no number, a boolean no integer, a string no list of its characters. What the options
classes declare (types, defaults, ranges) is all there is to know, so the kinds of plugins are read by the same hooks.
Here the hooks are put together; what each does is in `scalars`, `tables` and `choice`. Floor: core.
"""

from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import attrs
import cattrs

from orchestrator.core.choice import TYPE, OwnKinds, PluggedKinds, make_kind_hook
from orchestrator.core.foreign import Patience, wait_for_ever
from orchestrator.core.plugged import NOUNS
from orchestrator.core.reject import Hook, expect
from orchestrator.core.scalars import TEXT_HOOKS, make_enum_hook, read_bool, read_float, read_int, read_str
from orchestrator.core.sockets import check_socket
from orchestrator.core.tables import Check, make_list_hook, make_mapping_hook, make_table_hook
from orchestrator.core.together import check_together, check_values
from orchestrator.core.values import check_depth
from orchestrator.model.definition import Definition
from orchestrator.model.health import HEALTH_KINDS, ExecHealth, Health
from orchestrator.model.kinds import MountKind, NetworkKind
from orchestrator.model.log import LOG_KINDS, Log
from orchestrator.model.option import options_of
from orchestrator.model.problem import Fault
from orchestrator.model.registry import Group, Registry
from orchestrator.model.rootfs import ROOTFS_KINDS, Rootfs
from orchestrator.model.sockets import Socket

DEFAULT_MOUNT = "bind"
"""The kind of a mount that does not say its ``type``."""

MOST_MOUNTS = 256
"""Mounts of one definition: a start takes longer with each, and crun runs out of descriptors below a thousand."""

_SCALARS: dict[type[Any], Hook] = {str: read_str, bool: read_bool, int: read_int, float: read_float}


def make_converter(registry: Registry, patience: Patience = wait_for_ever) -> cattrs.Converter:
    """A converter to `Definition` and to every type that an option may have, with the kinds of ``registry``.

    ``structure`` raises `orchestrator.core.reject.Rejected` with all faults of the value, and nothing else.
    ``get_structure_hook`` of a kind raises TypeError where that is not made as plugin authors are told (a type that no
    file can hold, a field that is not an option). patience: with the kinds' own code.
    """
    converter = cattrs.Converter()

    def hook_of(wanted: Any) -> Hook:  # noqa: ANN401 - a type, or what stands for one
        # cattrs finds the hook of a class through its bases before it asks the predicates below.
        if isinstance(wanted, type):
            if issubclass(wanted, Enum):
                return make_enum_hook(wanted)
            if wanted not in _SCALARS and issubclass(wanted, (*_SCALARS, bytes, PurePath)):
                return _refuse(wanted)
        hook: Hook = converter.get_structure_hook(wanted)
        return hook

    def kind_hook_of(kind: type[Any]) -> Hook:
        check_kind(kind)
        return hook_of(kind)

    # What is registered later is asked first.
    converter.register_structure_hook_factory(lambda _: True, _refuse)
    converter.register_structure_hook_factory(attrs.has, lambda cls: make_table_hook(cls, hook_of))
    converter.register_structure_hook_factory(_is_enum, make_enum_hook)
    converter.register_structure_hook_factory(_is_tuple, lambda wanted: make_list_hook(wanted, hook_of))
    converter.register_structure_hook_factory(_is_mapping, lambda wanted: make_mapping_hook(wanted, hook_of))
    converter.register_structure_hook_factory(_is_newtype, lambda wanted: hook_of(wanted.__supertype__))
    converter.register_structure_hook_factory(_is_optional, lambda wanted: _make_optional_hook(wanted, hook_of))
    for scalar, hook in _SCALARS.items():
        converter.register_structure_hook(scalar, hook)
    for newtype, hook in TEXT_HOOKS:
        converter.register_structure_hook(newtype, hook)

    mounts, networks = (
        PluggedKinds(NOUNS[group], registry, group, patience) for group in (Group.MOUNTS, Group.NETWORKS)
    )
    register_exact(converter, ExecHealth, make_table_hook(ExecHealth, hook_of, {"args": _check_args}))
    register_exact(converter, Socket, make_table_hook(Socket, hook_of, check_whole=check_socket))
    for wanted, hook in (
        (Rootfs, make_kind_hook(OwnKinds("root file system", ROOTFS_KINDS), hook_of)),
        (Log, make_kind_hook(OwnKinds("log", LOG_KINDS), hook_of)),
        (Health, make_kind_hook(OwnKinds("probe", HEALTH_KINDS), hook_of)),
        (MountKind, make_kind_hook(mounts, kind_hook_of, DEFAULT_MOUNT)),
        (NetworkKind, make_kind_hook(networks, kind_hook_of)),
    ):
        register_exact(converter, wanted, hook)
    checks: Mapping[str, Check] = {"args": _check_args, "cmd": _check_cmd, "cwd": check_depth, "mounts": _check_mounts}
    whole = make_table_hook(Definition, hook_of, checks, check_together, check_values)
    register_exact(converter, Definition, whole)
    return converter


def register_exact(converter: cattrs.Converter, wanted: Any, hook: Hook) -> None:  # noqa: ANN401 - a type
    """Register by equality: by class, a Protocol's hook would answer for every class that fulfils it."""
    converter.register_structure_hook_func(lambda asked: asked == wanted, hook)


def _check_args(args: tuple[str, ...]) -> Fault | None:
    if not args:
        return Fault((), "there is no command: the list is empty", 'write ["/usr/bin/env"]')
    return None if args[0] else Fault((0,), 'the command is empty: ""')


def _check_cmd(cmd: str) -> Fault | None:
    return None if cmd.strip() else Fault((), "there is no command in it", 'write "exec sleep 60"')


def _check_mounts(mounts: Mapping[str, object]) -> Fault | None:
    if len(mounts) <= MOST_MOUNTS:
        return None
    return Fault((), f"there are {len(mounts)} mounts, {MOST_MOUNTS} are the most", "mount a folder above them")


def check_kind(kind: type[Any]) -> None:
    """Raises TypeError for a class that cannot be a kind, whatever its options are of."""
    if not attrs.has(kind):
        raise TypeError(f"{kind.__qualname__} is not an attrs class")
    if any(TYPE in (declared.name, declared.alias) for declared in options_of(kind)):
        raise TypeError(f'{kind.__qualname__} has an option "{TYPE}", which says the kind')


def _refuse(wanted: Any) -> Hook:  # noqa: ANN401 - a type, or what stands for one
    raise TypeError(f"no option can be {wanted!r}")


def _make_optional_hook(wanted: Any, hook_of: Any) -> Hook:  # noqa: ANN401 - a type and the finder of hooks
    """``X | None``: None is what stands where nothing is written; it cannot be written."""
    rest = tuple(part for part in get_args(wanted) if part is not NoneType)
    inner: Any = Union.__getitem__(rest)
    hook: Hook = hook_of(inner)

    def read_optional(value: object, _wanted: object) -> Any:  # noqa: ANN401 - an X
        if value is None:
            expect("a value", value)
        return hook(value, inner)

    return read_optional


def _is_enum(wanted: Any) -> bool:  # noqa: ANN401 - a type, or what stands for one
    return isinstance(wanted, type) and issubclass(wanted, Enum)


def _is_tuple(wanted: Any) -> bool:  # noqa: ANN401 - as above
    origin: Any = get_origin(wanted)
    return origin is tuple


def _is_mapping(wanted: Any) -> bool:  # noqa: ANN401 - as above
    origin = get_origin(wanted)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _is_newtype(wanted: Any) -> bool:  # noqa: ANN401 - as above
    return hasattr(wanted, "__supertype__")


def _is_optional(wanted: Any) -> bool:  # noqa: ANN401 - as above
    return get_origin(wanted) in (Union, UnionType) and NoneType in get_args(wanted)
