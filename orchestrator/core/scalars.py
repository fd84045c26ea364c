"""Hooks of the converter for values without parts: strings, numbers, booleans, enums, and the languages in strings.

What those languages are is `orchestrator.core.values`' part. Floor: core.
"""

import math
import re
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from orchestrator.core import addresses, capabilities, cdi_names, devices, listening, profile, rlimits, values
from orchestrator.core.reject import Hook, expect, expect_private, reject, unwrap
from orchestrator.core.suggest import list_choices, quote, show_value
from orchestrator.model.problem import Fault, Guess
from orchestrator.model.types import (
    AbsolutePath,
    AnnotationName,
    Capability,
    ContainerName,
    DeviceAccess,
    DeviceName,
    Duration,
    EnvName,
    FileMode,
    GroupName,
    HostName,
    MountPath,
    ProbeHost,
    RlimitName,
    RlimitValue,
    SeccompChoice,
    SignalName,
    Size,
    SocketAddress,
    SocketName,
    Umask,
    UrlPath,
    UserName,
)

T = TypeVar("T")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")


def read_str(value: object, _wanted: object = str) -> str:
    """A string without NUL, which no argument, variable or path may hold (execve(2))."""
    if type(value) is not str:
        hint = f"write {quote(show_value(value))}, in quotes" if isinstance(value, int | float) else ""
        expect("a string", value, hint)
    if "\0" in value:
        reject(f"{quote(value)} contains a NUL character")
    return value


def read_variable(value: object, _wanted: object = str) -> str:
    """What an environment variable says, as `read_str`; no fault shows it, since it may be a password."""
    if type(value) is not str:
        expect_private("a string", value, "write it in quotes" if isinstance(value, int | float) else "")
    if "\0" in value:
        reject("it contains a NUL character")
    return value


def read_bool(value: object, _wanted: object = bool) -> bool:
    """true or false."""
    if type(value) is not bool:
        plain = value.lower() if isinstance(value, str) else ""
        expect("true or false", value, f"write {plain}, without quotes" if plain in ("true", "false") else "")
    return value


def read_int(value: object, _wanted: object = int) -> int:
    """An integer; a boolean is none."""
    if type(value) is not int:
        expect("an integer", value, _unquoted(value, "."))
    return value


def read_float(value: object, _wanted: object = float) -> float:
    """A finite number; an integer will do, a boolean not."""
    if type(value) is int and value.bit_length() <= 1000:
        return float(value)
    if type(value) is not float:
        expect("a number", value, _unquoted(value, ""))
    if not math.isfinite(value):
        reject(f"expected a finite number, found {show_value(value)}")
    return value


def _unquoted(value: object, unwanted: str) -> str:
    good = isinstance(value, str) and _NUMBER.fullmatch(value) and not (unwanted and unwanted in value)
    return f"write {value}, without quotes" if good else ""


def make_enum_hook(enum: type[Enum]) -> Hook:
    """The hook of an enum whose values are strings. Raises TypeError for another."""
    choices = {member.value: member for member in enum}
    if not all(isinstance(value, str) for value in choices):
        raise TypeError(f"no option can be {enum!r}: its values are not strings")

    def read_enum(value: object, _wanted: object) -> Enum:
        if type(value) is not str:
            expect(list_choices(choices), value)
        if value not in choices:
            reject(f"expected {list_choices(choices)}, found {quote(value)}", guess=Guess(value, tuple(choices)))
        return choices[value]

    return read_enum


def _make_text_hook(noun: str, parse: Callable[[str], T | Fault], suggest: Callable[[Any], str] | None = None) -> Hook:
    """The hook of a language in a string. ``suggest`` is the hint for a number that stands in the string's place."""

    def read_text(value: object, _wanted: object) -> T:
        if type(value) is str:
            return unwrap(parse(read_str(value)))
        number = suggest is not None and type(value) in (int, float)
        expect(noun, value, suggest(value) if suggest and number else "")

    return read_text


def _read_size(value: object, _wanted: object) -> Size:
    if type(value) is int:
        return unwrap(values.check_size(value, show_value(value)))
    if type(value) is str:
        return unwrap(values.parse_size(read_str(value)))
    expect("a size", value, 'write "256M" or a whole number of bytes')


def _read_rlimit(value: object, _wanted: object) -> RlimitValue:
    if type(value) is int:
        return unwrap(rlimits.check_rlimit_number(value))
    if type(value) is str:
        return unwrap(rlimits.parse_rlimit_text(read_str(value)))
    expect("a limit", value, 'write a number, or "unlimited"')


def _suggest_id(value: object) -> str:
    return f"write {quote(show_value(value))}, in quotes" if type(value) is int and value >= 0 else ""


TEXT_HOOKS: tuple[tuple[Any, Hook], ...] = (
    (Duration, _make_text_hook("a duration", values.parse_duration, values.suggest_duration)),
    (Size, _read_size),
    (SignalName, _make_text_hook("the name of a signal", values.parse_signal, values.suggest_signal)),
    (AbsolutePath, _make_text_hook("an absolute path", values.parse_absolute_path)),
    (MountPath, _make_text_hook("an absolute path", values.parse_mount_path)),
    (UserName, _make_text_hook("a user", values.parse_user, _suggest_id)),
    (GroupName, _make_text_hook("a group", values.parse_group, _suggest_id)),
    (Umask, _make_text_hook("a umask", values.parse_umask, values.suggest_umask)),
    (FileMode, _make_text_hook("a mode", values.parse_mode, values.suggest_mode)),
    (HostName, _make_text_hook("a host name", values.parse_hostname)),
    (EnvName, _make_text_hook("the name of a variable", values.parse_env_name)),
    (AnnotationName, _make_text_hook("the name of an annotation", values.parse_annotation_name)),
    (Capability, _make_text_hook("the name of a capability", capabilities.parse_capability)),
    (RlimitName, _make_text_hook("the name of a limit", rlimits.parse_rlimit_name)),
    (RlimitValue, _read_rlimit),
    (DeviceName, _make_text_hook("an absolute path or the name of a CDI device", cdi_names.parse_device_name)),
    (DeviceAccess, _make_text_hook("some of the letters r, w and m", devices.parse_access)),
    (SeccompChoice, _make_text_hook('"default", "unconfined" or a path', profile.parse_choice)),
    (ContainerName, _make_text_hook("the name of a container", addresses.parse_container_name)),
    (UrlPath, _make_text_hook("the path of a request", addresses.parse_url_path)),
    (SocketAddress, _make_text_hook("the address of a socket", listening.parse_socket_address, _suggest_id)),
    (SocketName, _make_text_hook("the name of a socket", listening.parse_socket_name)),
    (ProbeHost, _make_text_hook("an IP address", addresses.parse_probe_host)),
)
"""The types of `orchestrator.model.definition` that a file writes as text."""
