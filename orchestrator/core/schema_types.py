"""The types of options that are more than a string or a number, as JSON Schema: what a file may write for each.

A schema takes all that `orchestrator.core.values` takes, and refuses what a pattern can refuse: that ids and lengths
are in bounds, or that a file is there, is told by the parser. Patterns are ECMA-262's and Python's at once.
Floor: core.
"""

import signal
from collections.abc import Mapping
from typing import Any

from orchestrator.core import rlimits
from orchestrator.core.capabilities import ALL, KNOWN, PREFIX
from orchestrator.core.values import LARGEST_SIZE, SYSTEM_MOUNTS
from orchestrator.model.types import (
    NAME_PATTERN,
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

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "pattern": r"^[^\u0000]*$"}
"""A string of the model: no argument, variable or path may hold a NUL."""

_PATH = r"^(?![\s\S]*/\.\.(?:/|$))/[^\u0000]*$"
_ID = r"(?:[0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]{0,254}\$?)"
_ADDRESS = r"^(?:localhost|[0-9.]+|[0-9A-Fa-f:.]+(?:%[^\u0000]+)?)$"
_CDI_PART = "[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SYSTEM = "|".join(own.removeprefix("/") for own in SYSTEM_MOUNTS)
_SIGNALS = "|".join(sorted(name.removeprefix("SIG") for name in signal.Signals.__members__))


def _text(title: str, pattern: str, description: str, **more: Any) -> Schema:  # noqa: ANN401 - any keyword of a schema
    return {"title": title, "type": "string", "pattern": pattern, "description": description, **more}


TYPES: Mapping[Any, tuple[str, Schema]] = {
    Duration: (
        "duration",
        _text(
            "a duration",
            "^(?=[0-9])" + "".join(rf"(?:[0-9]{{1,12}}{unit})?" for unit in ("d", "h", "m", "s", "ms")) + "$",
            "Whole numbers with the units d, h, m, s, ms, the largest first.",
            examples=["10s", "1m30s"],
        ),
    ),
    Size: (
        "size",
        {
            "title": "a size",
            "description": "Bytes, or text with one of the units K, M, G, T, which are powers of 1024.",
            "oneOf": [
                {"type": "integer", "minimum": 0, "maximum": LARGEST_SIZE},
                {"type": "string", "pattern": "^[0-9]{1,20}[KMGT](?:iB)?$"},
            ],
            "examples": ["256M", 1048576],
        },
    ),
    SignalName: (
        "signal",
        _text(
            "the name of a signal",
            rf"^(?:SIG)?(?:{_SIGNALS}|RTMIN\+[0-9]{{1,2}}|RTMAX-[0-9]{{1,2}})$",
            "As kill -l has it, with SIG or without.",
            examples=["SIGTERM", "SIGRTMIN+3"],
        ),
    ),
    AbsolutePath: ("path", _text("an absolute path", _PATH, "Begins with / and has no `..`.")),
    MountPath: (
        "mountPath",
        _text(
            "a path inside",
            _PATH,
            f"An absolute path, not the root and not over or below {', '.join(SYSTEM_MOUNTS)}.",
            **{"not": {"pattern": rf"^(?:/+\.)*/*$|^(?:/+\.)*/+(?:{_SYSTEM})(?:/|$)"}},
        ),
    ),
    UserName: (
        "user",
        _text("a user", f"^{_ID}(?::{_ID})?$", "`NAME`, `NAME:GROUP`, `UID` or `UID:GID`, or one of each."),
    ),
    GroupName: ("group", _text("a group", f"^{_ID}$", "A name or a GID.")),
    HostName: (
        "hostname",
        _text("a host name", rf"^{_LABEL}(?:\.{_LABEL})*$", "Labels, joined by dots; hostname(7).", maxLength=64),
    ),
    EnvName: ("envName", _text("the name of a variable", r"^[^=\u0000]+$", "Not empty, and without `=`.")),
    AnnotationName: ("annotationName", _text("the name of an annotation", r"^[^\u0000]+$", "Not empty.")),
    SocketAddress: (
        "socketAddress",
        _text(
            "the address of a socket",
            r"^(?:/[^\u0000]*|(?:(?:\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]|[^:/]*):)?[0-9]{1,5})$",
            "ADDRESS:PORT, [ADDRESS]:PORT, PORT for all addresses, or an absolute path.",
            examples=["0.0.0.0:80", "[::1]:80", "80", "/run/web.sock"],
        ),
    ),
    SocketName: (
        "socketName",
        _text(
            "the name of a socket",
            "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$",
            "Letters, digits, '.', '_' and '-', 64 at most.",
            examples=["http"],
        ),
    ),
    Umask: ("umask", _text("a umask", "^0?[0-7]{1,3}$", "One to four octal digits, 0777 at most.", examples=["0027"])),
    FileMode: ("mode", _text("a mode", "^[0-7]{3,4}$", "Three or four octal digits; chmod(2).", examples=["0750"])),
    Capability: (
        "capability",
        {
            "title": "the name of a capability",
            "description": "As capabilities(7) has it, with CAP_ or without.",
            "enum": [ALL, *(name.removeprefix(PREFIX) for name in KNOWN), *KNOWN],
        },
    ),
    RlimitName: (
        "rlimitName",
        {
            "title": "the name of a limit",
            "description": "As getrlimit(2) has it, in lower case and without RLIMIT_.",
            "enum": list(rlimits.NAMES),
        },
    ),
    RlimitValue: (
        "rlimitValue",
        {
            "title": "a limit",
            "description": 'A number, or "unlimited".',
            "oneOf": [{"type": "integer", "minimum": 0, "maximum": rlimits.UNLIMITED - 1}, {"const": "unlimited"}],
        },
    ),
    DeviceName: (
        "deviceName",
        _text(
            "a device",
            rf"{_PATH}|^{_CDI_PART}/{_CDI_PART}=[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?$",
            "An absolute path, or the name of a CDI device, `vendor.com/class=device`.",
            examples=["/dev/fuse", "vendor.com/class=device"],
        ),
    ),
    DeviceAccess: (
        "deviceAccess",
        _text("some of r, w and m", "^(?!.*(.).*\\1)[rwm]{1,3}$", "Each once: read, write, make."),
    ),
    SeccompChoice: (
        "seccomp",
        _text(
            "a choice or a path", f"^(?:default|unconfined)$|{_PATH}", "`default`, `unconfined`, or a profile's path."
        ),
    ),
    ContainerName: (
        "containerName",
        _text("the name of a container", f"^{NAME_PATTERN}$", "That of its file without the suffix."),
    ),
    UrlPath: ("urlPath", _text("the path of a request", '^/[!-"$-~]*$', "Printable ASCII, no space, no fragment.")),
    ProbeHost: (
        "probeHost",
        _text("an IP address", _ADDRESS, "Version 4 or 6, or localhost."),
    ),
}
"""By type: its name among the definitions of a schema, and the schema itself. ``title`` is what people call it."""
