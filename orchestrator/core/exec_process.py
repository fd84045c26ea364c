"""The process object of a further command in a container that runs: the container's own, with what was asked for.

https://github.com/opencontainers/runtime-spec/blob/main/config.md#process. Runtimes differ in what a bare ``exec``
takes over from the container, so nothing is left to them. Running it is the business of `orchestrator.system.exec`.
Floor: core.
"""

import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from orchestrator.core.sockets import LISTEN_VARIABLES
from orchestrator.core.users import Account

MARK = "ORCHESTRATOR_EXEC"
"""The variable that says which command line began a process: its children inherit it, and can be found by it."""

FAILED = 125
"""The exit code where nothing was run, as podman-exec(1) has it."""
NOT_INVOKED = 126
"""The exit code of a command that is there and cannot be run, as shells have it."""
NOT_FOUND = 127
"""The exit code of a command that is not there, as shells have it."""

# What runc, crun and youki say; a working directory that is missing is none of the command's.
_NOT_FOUND = re.compile(r"executable file .* not found|exec: \".*\": stat .*no such file|executable .* not found", re.I)
_NOT_INVOKED = re.compile(r"exec: \".*\": |open executable: |exec format error|executable .*permission", re.I)


@frozen
class TerminalSize:
    """The size of a terminal in characters."""

    rows: int
    columns: int


@frozen(kw_only=True)
class Wanted:
    """What is to be run in a container; None stands for what the container's own process has."""

    args: tuple[str, ...]
    account: Account | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(factory=dict)
    terminal: TerminalSize | None = None
    """The size of the terminal that it gets; None: it gets none."""
    terminal_kind: str = ""
    """$TERM of that terminal, set where the container sets none."""
    mark: str
    """The value of `MARK`."""


def make_exec_process(own: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """The process object for ``exec --process``. own: ``process`` of the container's config.json.

    Nothing is added to the rights of the container: root has its capabilities, another user than its own has none.
    """
    process = dict(own)
    process["args"] = list(wanted.args)
    process["terminal"] = wanted.terminal is not None
    process.pop("consoleSize", None)
    if wanted.terminal is not None:
        process["consoleSize"] = {"height": wanted.terminal.rows, "width": wanted.terminal.columns}
    if wanted.cwd is not None:
        process["cwd"] = wanted.cwd
    if wanted.account is not None:
        process["user"] = _describe_user(own, wanted.account)
        process["capabilities"] = _choose_capabilities(own, wanted.account.user.uid)
    process["env"] = _merge_env(own.get("env", ()), wanted)
    return process


def judge_refusal(message: str) -> int:
    """The exit code for a command that a runtime could not run, by the runtime's own message."""
    if _NOT_FOUND.search(message):
        return NOT_FOUND
    return NOT_INVOKED if _NOT_INVOKED.search(message) else FAILED


def _describe_user(own: Mapping[str, Any], account: Account) -> dict[str, Any]:
    """``process.user`` of another account; the umask stays the container's."""
    user: dict[str, Any] = {"uid": account.user.uid, "gid": account.user.gid}
    if account.user.additional_gids:
        user["additionalGids"] = list(account.user.additional_gids)
    umask = own.get("user", {}).get("umask")
    return user if umask is None else user | {"umask": umask}


def _choose_capabilities(own: Mapping[str, Any], uid: int) -> dict[str, list[str]]:
    """All five sets, always, for the reasons of `orchestrator.core.render`. The bounding set stays, so that what
    set-user-ID programs may give is what they give in the container."""
    held: Mapping[str, list[str]] = own.get("capabilities", {})
    bounding = list(held.get("bounding", ()))
    if uid == own.get("user", {}).get("uid"):
        return {"bounding": bounding} | {name: list(held.get(name, ())) for name in _OTHER_SETS}
    reached = bounding if uid == 0 else []
    return {
        "bounding": bounding,
        "permitted": list(reached),
        "effective": list(reached),
        "inheritable": [],
        "ambient": [],
    }


_OTHER_SETS = ("permitted", "effective", "inheritable", "ambient")


def _merge_env(own: list[str], wanted: Wanted) -> list[str]:
    env = dict(each.partition("=")[::2] for each in own)
    for name in LISTEN_VARIABLES:
        env.pop(name, None)  # its sockets are handed to the application alone
    if wanted.terminal is not None and wanted.terminal_kind:
        env.setdefault("TERM", wanted.terminal_kind)
    if wanted.account is not None:
        env["HOME"] = wanted.account.home
    env |= wanted.env
    # Last, where a program that writes its title over its environment (setproctitle) comes last.
    env.pop(MARK, None)
    env[MARK] = wanted.mark
    return [f"{name}={value}" for name, value in env.items()]
