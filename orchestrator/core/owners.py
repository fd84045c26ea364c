"""Whose a file or folder of the host is to be: what a kind's `owner` names, looked up on the host. Floor: core."""

from attrs import evolve, frozen

from orchestrator.core.questions import account_questions
from orchestrator.core.users import find_account
from orchestrator.model.facts import Facts, TextQuestion
from orchestrator.model.kinds import Use
from orchestrator.model.problem import Fault
from orchestrator.model.types import UserName


@frozen
class Owner:
    """A user and a group, as numbers."""

    uid: int
    gid: int


def owner_questions(owner: UserName | None) -> tuple[TextQuestion, ...]:
    """What must be known of the host to find an owner: passwd(5) and group(5)."""
    return () if owner is None else account_questions("/")


def find_owner(owner: UserName | None, use: Use, facts: Facts) -> Owner | Fault:
    """The owner that ``NAME``, ``NAME:GROUP``, ``UID`` or ``UID:GID`` names on the host, or the fault of the option
    ``owner``; where nothing is written, who the application runs as. The answers to `owner_questions` must be there."""
    if owner is None:
        return Owner(use.uid, use.gid)
    passwd, group = (facts.texts[question] for question in account_questions("/"))
    account = find_account(owner, passwd, group, "the host")
    if isinstance(account, Fault):
        return evolve(account, path=("owner",))
    return Owner(account.user.uid, account.user.gid)
