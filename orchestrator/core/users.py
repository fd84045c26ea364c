"""Who an application runs as: ``user`` and ``groups`` of a definition, looked up in the root's /etc/passwd and
/etc/group.

The texts of both files come in; reading them is `orchestrator.system.facts`' work. Formats: passwd(5), group(5).
Floor: core.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from attrs import evolve, frozen

from orchestrator.core.suggest import quote, suggest_similar
from orchestrator.core.values import LARGEST_ID
from orchestrator.model.oci import User
from orchestrator.model.problem import Fault
from orchestrator.model.types import GroupName

_PATH = ("user",)


@frozen
class Account:
    """A user as a process needs it, and where it is at home; ``name`` is empty for a number that is not listed."""

    user: User
    home: str
    name: str = ""


@frozen
class _PasswdLine:
    name: str
    uid: int
    gid: int
    home: str


@frozen
class _GroupLine:
    name: str
    gid: int
    members: tuple[str, ...]


def find_account(
    text: str, passwd: str | None, group: str | None, whose: str = "the root file system"
) -> Account | Fault:
    """The account that ``NAME``, ``NAME:GROUP``, ``UID`` or ``UID:GID`` names.

    passwd, group: the texts of both files of ``whose``, None where there is no readable one. Digits are a number, never
    a name. Without a group it is the user's own by passwd(5), for a uid that is not listed there gid 0 (as podman and
    docker have it), and the groups whose members name the user are supplementary; a group that is written stands alone.
    """
    name, _, group_name = text.partition(":")
    lines = _read_passwd(passwd or "")
    groups = _read_group(group or "")
    if _is_number(name):
        if not _is_id(name):
            return _above_highest("uid", name)
        uid = int(name)
        line = next((line for line in lines if line.uid == uid), None)
    else:
        line = next((line for line in lines if line.name == name), None)
        if line is None:
            return _unknown("user", name, "/etc/passwd", passwd, (line.name for line in lines), whose)
        uid = line.uid
    home = line.home if line is not None and line.home.startswith("/") else "/"
    listed = line.name if line is not None else ""
    if _is_number(group_name):
        if not _is_id(group_name):
            return _above_highest("gid", group_name)
        return Account(User(uid, int(group_name)), home, listed)
    if group_name:
        entry = next((entry for entry in groups if entry.name == group_name), None)
        if entry is None:
            return _unknown("group", group_name, "/etc/group", group, (entry.name for entry in groups), whose)
        return Account(User(uid, entry.gid), home, listed)
    if line is None:
        return Account(User(uid, 0), home)
    own = line.name
    supplementary = sorted({entry.gid for entry in groups if own in entry.members and entry.gid != line.gid})
    return Account(User(uid, line.gid, tuple(supplementary)), home, listed)


def join_groups(
    account: Account, wanted: Sequence[GroupName], group: str | None, whose: str = "the root file system"
) -> tuple[Account, tuple[Fault, ...]]:
    """The account with further supplementary groups, by name or number, and a fault for each that is not there.

    group: the text of the /etc/group of ``whose``, None where there is no readable one.
    """
    lines = _read_group(group or "")
    found, faults = set(account.user.additional_gids), []
    for index, name in enumerate(wanted):
        entry = next((line for line in lines if line.name == name), None)
        if _is_number(name):
            found.add(int(name))
        elif entry is not None:
            found.add(entry.gid)
        else:
            known = (line.name for line in lines)
            fault = _unknown("group", name, "/etc/group", group, known, whose, "its number")
            faults.append(evolve(fault, path=("groups", index)))
    gids = tuple(sorted(found - {account.user.gid}))
    return evolve(account, user=evolve(account.user, additional_gids=gids)), tuple(faults)


def _above_highest(what: str, text: str) -> Fault:
    return Fault(_PATH, f"the {what} {quote(text)} is above {LARGEST_ID}, the largest there is")


def _unknown(
    what: str,
    name: str,
    file: str,
    text: str | None,
    names: Iterable[str],
    whose: str,
    numbers: str = "numbers: uid:gid",
) -> Fault:
    if text is None:
        return Fault(
            _PATH,
            f"cannot look up the {what} {quote(name)}: {whose} has no readable {file}",
            f"write {numbers}",
        )
    hint = suggest_similar(name, names) or f"write a name of {whose}, or {numbers}"
    return Fault(_PATH, f"no {what} {quote(name)} in the {file} of {whose}", hint)


@lru_cache(maxsize=8)
def _read_passwd(text: str) -> tuple[_PasswdLine, ...]:
    """The same few texts are read for hundreds of containers."""
    lines = (line.split(":") for line in text.splitlines())
    # A line that is none (a comment, NIS's "+") says nothing of anyone; so does libc read it.
    return tuple(
        _PasswdLine(fields[0], int(fields[2]), int(fields[3]), fields[5])
        for fields in lines
        if len(fields) >= 6 and _is_id(fields[2]) and _is_id(fields[3])
    )


@lru_cache(maxsize=8)
def _read_group(text: str) -> tuple[_GroupLine, ...]:
    lines = (line.split(":") for line in text.splitlines())
    return tuple(
        _GroupLine(fields[0], int(fields[2]), tuple(fields[3].split(",")))
        for fields in lines
        if len(fields) >= 4 and _is_id(fields[2])
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_id(text: str) -> bool:
    # Longer digits are no id either, and int() refuses the longest with an error.
    return _is_number(text) and len(text) <= 10 and int(text) <= LARGEST_ID
