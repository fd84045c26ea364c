"""What an application says of itself, as sd_notify(3) has it: where it says it, and what a message means.

The socket is the agent's own; the runtimes' would forward nothing but READY=1. Listening at it, and knowing whose
message it is, is left to `orchestrator.system.notify_socket`; what follows from it is `orchestrator.core.health`'s.
Floor: core.
"""

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.core import defaults
from orchestrator.core.sockets import LISTEN_VARIABLES
from orchestrator.model.bundle import Bundle
from orchestrator.model.health import Notification
from orchestrator.model.layout import NOTIFY_SOCKET_NAME
from orchestrator.model.oci import Mount
from orchestrator.model.spec import Policy

FOLDER = "/dev/orchestrator/notify"
"""Where the folder of the socket is inside; in /dev for the reasons of `orchestrator.core.files.SCRIPT`. Not the socket
itself is mounted, but its folder: an agent that comes after this one binds another, and that is seen then too."""

SOCKET = f"{FOLDER}/{NOTIFY_SOCKET_NAME}"

NOTIFY_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC")
"""What `notify_variables` may set."""

LONGEST = 4096
"""Bytes of the longest message that is heard, as systemd has it (PIPE_BUF); one that is longer says nothing."""

LONGEST_STATUS = 200
"""Characters of a STATUS= that are kept: it is shown in one line."""

_NOT_PRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_WORD_USEC = re.compile(r"[0-9]{1,19}")
"""Microseconds, a few hundred thousand years at the most."""


def notify_variables(policy: Policy) -> dict[str, str]:
    """The variables that tell an application where it may say something, and how often it has to (sd_notify(3),
    sd_watchdog_enabled(3))."""
    if not policy.notifies:
        return {}
    watchdog = {} if policy.watchdog is None else {"WATCHDOG_USEC": str(round(policy.watchdog * 1e6))}
    return {"NOTIFY_SOCKET": SOCKET, **watchdog}


def mount_notify(folder: str) -> tuple[Mount, ...]:
    """The mount of the folder of a notify socket; none where there is none. What is read-only may be sent to still."""
    return (Mount(FOLDER, "bind", folder, defaults.HOST_BIND_OPTIONS),) if folder else ()


def without_agent(bundle: Bundle) -> dict[str, Any]:
    """The config.json of a bundle for whoever runs it without an agent: nobody would listen to what it says, and it
    would be handed no sockets."""
    config = dict(bundle.config)
    ours = {*(NOTIFY_VARIABLES if bundle.notify else ()), *(LISTEN_VARIABLES if bundle.sockets else ())}
    if ours:
        ours -= bundle.own_env
        env = [each for each in config["process"]["env"] if each.partition("=")[0] not in ours]
        config["process"] = {**config["process"], "env": env}
    return config


def parse_notification(data: bytes) -> Notification | None:
    """What a message says; None for one that says nothing that is known here, or is none.

    A message is lines of ``NAME=value`` in UTF-8. Of a name that comes twice the last counts; what is not known, and a
    value that is no such value, is passed over.
    """
    if len(data) > LONGEST or b"\0" in data:
        return None
    said: dict[str, str] = {}
    for line in data.split(b"\n"):
        name, equals, value = line.partition(b"=")
        if equals:
            try:
                said[name.decode("ascii")] = value.decode()
            except UnicodeDecodeError:
                continue
    notification = Notification(
        ready=said.get("READY") == "1",
        stopping=said.get("STOPPING") == "1",
        reloading=said.get("RELOADING") == "1",
        status=_clean(said["STATUS"]) if "STATUS" in said else None,
        watchdog=said.get("WATCHDOG") == "1",
        watchdog_trigger=said.get("WATCHDOG") == "trigger",
        watchdog_usec=_read_usec(said, "WATCHDOG_USEC"),
        extend_timeout_usec=_read_usec(said, "EXTEND_TIMEOUT_USEC"),
    )
    return None if notification == Notification() else notification


def _read_usec(said: Mapping[str, str], name: str) -> int | None:
    text = said.get(name, "")
    return int(text) if _WORD_USEC.fullmatch(text) else None


def _clean(text: str) -> str:
    """On one line, and not too long: it is an application's word, and may be anything."""
    line = _NOT_PRINTABLE.sub(" ", text).strip()
    return line if len(line) <= LONGEST_STATUS else f"{line[: LONGEST_STATUS - 1]}…"
