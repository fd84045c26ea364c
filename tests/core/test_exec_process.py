"""The process object of `exec`: the container's own process, with what was asked for, and with no more rights."""

from typing import Any

import pytest

from orchestrator.core.exec_process import (
    FAILED,
    MARK,
    NOT_FOUND,
    NOT_INVOKED,
    TerminalSize,
    Wanted,
    judge_refusal,
    make_exec_process,
)
from orchestrator.core.users import Account
from orchestrator.model.oci import User

SETS = ("bounding", "permitted", "effective", "inheritable", "ambient")
OWN: dict[str, Any] = {
    "args": ["/bin/web"],
    "capabilities": {name: ["CAP_KILL"] for name in SETS},
    "cwd": "/srv",
    "env": ["PATH=/bin", "HOME=/", "EMPTY="],
    "noNewPrivileges": True,
    "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
    "terminal": False,
    "user": {"uid": 33, "gid": 33, "additionalGids": [4], "umask": 0o027},
}


def make(**wanted: Any) -> dict[str, Any]:  # noqa: ANN401 - as Wanted has it
    return make_exec_process(OWN, Wanted(args=("ls", "-l"), mark="1-2", **wanted))


def env_of(process: dict[str, Any]) -> dict[str, str]:
    return dict(each.partition("=")[::2] for each in process["env"])


def test_all_but_the_command_is_the_containers() -> None:
    process = make()
    assert process.pop("args") == ["ls", "-l"]
    assert process.pop("env") == [*OWN["env"], f"{MARK}=1-2"]
    assert process == {key: value for key, value in OWN.items() if key not in ("args", "env")}


def test_what_is_asked_for_wins() -> None:
    process = make(cwd="/tmp", env={"PATH": "/sbin", "NEW": "a=b", MARK: "forged"})
    assert process["cwd"] == "/tmp"
    assert env_of(process) == {"PATH": "/sbin", "HOME": "/", "EMPTY": "", "NEW": "a=b", MARK: "1-2"}


def test_the_mark_comes_last() -> None:
    nested = {**OWN, "env": [f"{MARK}=9-9", "A=b"]}
    process = make_exec_process(nested, Wanted(args=("ls",), mark="1-2", env={"Z": "z"}))
    assert process["env"] == ["A=b", "Z=z", f"{MARK}=1-2"]


def test_a_terminal_has_a_size_and_a_kind() -> None:
    process = make(terminal=TerminalSize(24, 80), terminal_kind="vt100")
    assert process["terminal"] is True
    assert process["consoleSize"] == {"height": 24, "width": 80}
    assert env_of(process)["TERM"] == "vt100"
    assert "TERM" not in env_of(make(terminal_kind="vt100"))
    kept = make_exec_process(
        {**OWN, "env": ["TERM=dumb"], "consoleSize": {"height": 1, "width": 1}}, Wanted(args=("ls",), mark="1-2")
    )
    assert env_of(kept)["TERM"] == "dumb"
    assert "consoleSize" not in kept


@pytest.mark.parametrize(
    ("uid", "reached"),
    [(33, {name: ["CAP_KILL"] for name in SETS}), (0, {name: ["CAP_KILL"] for name in SETS[:3]}), (1000, {})],
    ids=["own", "root", "other"],
)
def test_another_user_has_no_more_rights(uid: int, reached: dict[str, list[str]]) -> None:
    process = make(account=Account(User(uid, 7, (8, 9)), "/home/x"))
    assert process["user"] == {"uid": uid, "gid": 7, "additionalGids": [8, 9], "umask": 0o027}
    assert process["capabilities"] == {name: reached.get(name, []) for name in SETS} | {"bounding": ["CAP_KILL"]}
    assert process["noNewPrivileges"] is True
    assert env_of(process)["HOME"] == "/home/x"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('exec: "nonesuch": executable file not found in $PATH', NOT_FOUND),
        ('exec: "/no/such": stat /no/such: no such file or directory', NOT_FOUND),
        ("executable file `nonesuch` not found in $PATH: No such file or directory", NOT_FOUND),
        ('exec: "/etc": permission denied', NOT_INVOKED),
        ('exec: "/etc": is a directory', NOT_INVOKED),
        ("open executable: Permission denied", NOT_INVOKED),
        ('chdir to cwd ("/x") set in config.json failed: no such file or directory', FAILED),
        ("chdir `/x`: No such file or directory", FAILED),
        ("cannot exec in a paused container", FAILED),
        ("the container `web` is paused", FAILED),
        ("exit code 1", FAILED),
    ],
)
def test_what_a_refusal_means(message: str, code: int) -> None:
    assert judge_refusal(message) == code
