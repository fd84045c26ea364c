"""Who the application of a definition runs as: its `user` and `groups`, or what a ready bundle says. Floor: core."""

import attrs

from orchestrator.core.questions import account_questions
from orchestrator.core.ready import find_ready_user
from orchestrator.core.references import is_closure
from orchestrator.core.silent import no_answer
from orchestrator.core.users import Account, find_account, join_groups
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts, PathKind
from orchestrator.model.oci import User
from orchestrator.model.problem import Fault
from orchestrator.model.rootfs import DirectoryRootfs, HostRootfs


def find_user(definition: Definition, facts: Facts) -> User:
    """Who it runs as, for those to whom files are to belong; root as long as that is not known."""
    if definition.bundle is not None:
        return find_ready_user(definition.bundle, facts)
    account = find_own_account(definition, facts)
    return User(0, 0) if isinstance(account, tuple) else account.user


def find_own_account(definition: Definition, facts: Facts) -> Account | tuple[Fault, ...]:
    """Who the application runs as, groups included; or every name that is not there."""
    nobody = Account(User(0, 0), "/")
    match definition.rootfs:
        case HostRootfs():
            root = "/"
        case DirectoryRootfs(path=path):
            root = path
            if facts.paths[path].kind is not PathKind.DIRECTORY:
                # The missing folder is the one mistake; that it lists no users is not another.
                return nobody
        case _:
            root = "/"
    questions = account_questions(root)
    for question in questions:
        if question in facts.unanswered:
            # Not as if there were none: the user's home and groups would change with the speed of a disk.
            return (no_answer(("user",), question),)
    passwd, group = (facts.texts[question] for question in questions)
    # A closure has none of its own.
    whose = "the host" if is_closure(definition) else "the root file system"
    account = find_account(definition.user, passwd, group, whose)
    known = nobody if isinstance(account, Fault) else account
    if is_closure(definition):
        known = attrs.evolve(known, home="/")  # of the host's users it has the names and numbers, and not the folders
    joined, faults = join_groups(known, definition.groups, group, whose)
    if isinstance(account, Fault):
        return (account, *faults)
    return faults or joined
