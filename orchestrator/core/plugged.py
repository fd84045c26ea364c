"""Asks plugin kinds, which may be anybody's code: what they raise, or return wrongly, is a fault of the definition that
uses them, and disturbs nothing else.

Floor: core.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from attrs import frozen

from orchestrator.core.conform import find_misfit
from orchestrator.core.foreign import DEFECT, ForeignFailed, Patience, call_foreign, wait_for_ever
from orchestrator.core.silent import no_answer
from orchestrator.core.suggest import quote
from orchestrator.model.attached import PlannedAttachment
from orchestrator.model.contribution import Contribution
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts, Question, StampQuestion, TextQuestion, TextsQuestion
from orchestrator.model.kinds import AskingByUse, MountKind, NetworkKind, Use
from orchestrator.model.oci import User
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Fault
from orchestrator.model.registry import Group, Registry

NOUNS: Mapping[Group, str] = {Group.MOUNTS: "mount", Group.NETWORKS: "network"}
"""What the kinds of a group are kinds of."""

_ROOT = User(0, 0)


@frozen
class PluggedUse:
    """A use of a kind by a definition."""

    group: Group
    path: KeyPath
    """Of the kind's table in the definition."""
    use: Use
    kind: MountKind | NetworkKind

    @property
    def name(self) -> str:
        """The kind's name, for people."""
        return str(getattr(self.kind, "type", type(self.kind).__qualname__))

    def ask(self) -> tuple[Question, ...]:
        """Its questions; none where it fails to ask, which `contribute` then tells. Waits for ever: to be called when
        `find_stuck` has found that it comes back."""
        try:
            return call_foreign(self.kind, wait_for_ever, self._ask)
        except ForeignFailed:
            return ()

    def is_stuck(self, patience: Patience) -> Fault | None:
        """The fault of a kind that does not come back when it is asked for its questions."""
        try:
            call_foreign(self.kind, patience, self._ask)
        except ForeignFailed as failed:
            return self._tell(failed) if failed.lasting else None
        return None

    def contribute(self, facts: Facts, patience: Patience = wait_for_ever) -> Contribution:
        """What it contributes; a fault where it fails, or where a text that it goes by could not be read in time. (A
        path that could not be looked at says so itself.)"""
        try:
            return call_foreign(self.kind, patience, lambda: self._contribute(facts))
        except ForeignFailed as failed:
            return Contribution(faults=(self._tell(failed),))

    def _ask(self) -> tuple[Question, ...]:
        kind = self.kind
        asked = tuple(kind.questions_for(self.use) if isinstance(kind, AskingByUse) else kind.questions())
        for question in asked:
            if misfit := find_misfit(question, Question):
                raise TypeError(f"questions() has {misfit}")
        return asked

    def _contribute(self, facts: Facts) -> Contribution:
        read = (each for each in self._ask() if isinstance(each, TextQuestion | TextsQuestion | StampQuestion))
        silent = tuple(no_answer((), question) for question in read if question in facts.unanswered)
        if silent:
            return Contribution(faults=silent)
        contribution: object = self.kind.contribute(self.use, facts)
        if misfit := find_misfit(contribution, Contribution):
            raise TypeError(f"contribute() returned {misfit}")
        assert isinstance(contribution, Contribution), "or it were a misfit"
        json.dumps([dict(each.work) for each in contribution.attach], allow_nan=False)
        return contribution

    def _tell(self, failed: ForeignFailed) -> Fault:
        message = f"the {NOUNS[self.group]} kind {quote(self.name)} {failed}"
        return Fault((), message, DEFECT, lasting=failed.lasting)

    def plan(self, contribution: Contribution) -> Iterator[PlannedAttachment]:
        """What it is to do on the host for each instance."""
        for each in contribution.attach:
            yield PlannedAttachment(
                group=self.group.value,
                type=self.name,
                key=self.use.destination,
                stage=each.stage,
                work=dict(each.work),
            )


def find_uses(name: str, definition: Definition, user: User = _ROOT) -> tuple[PluggedUse, ...]:
    """The uses of kinds by the definition called ``name``: mounts by destination, then the network. user: who the
    application runs as, if that matters."""
    uses = [
        PluggedUse(Group.MOUNTS, ("mounts", destination), Use(name, destination, user.uid, user.gid), kind)
        for destination, kind in sorted(definition.mounts.items())
    ]
    if definition.network is not None:
        uses.append(PluggedUse(Group.NETWORKS, ("network",), Use(name, "", user.uid, user.gid), definition.network))
    return tuple(uses)


def find_stuck(name: str, definition: Definition, patience: Patience) -> tuple[Fault, ...]:
    """The faults of the kinds of a definition that do not come back. The others answer whoever asks them now."""
    found = ((used.path, used.is_stuck(patience)) for used in find_uses(name, definition))
    return tuple(fault.below(*path) for path, fault in found if fault is not None)


def watched_questions(name: str, definition: Definition) -> tuple[Question, ...]:
    """Those that the kinds of the definition called ``name`` ask whose answer is as good as a part of it."""
    asked = (question for used in find_uses(name, definition) for question in used.ask())
    return tuple(question for question in asked if getattr(question, "watch", False))


def find_shared(
    name: str, definition: Definition, facts: Facts, patience: Patience = wait_for_ever
) -> tuple[KeyPath, str] | None:
    """The container whose network namespace the definition called ``name`` joins, with the key path that names it;
    None where it joins none. Also where the definition has faults, for which its kinds may not have been asked yet."""
    for used in find_uses(name, definition) if definition.network is not None else ():
        shared = used.contribute(facts, patience).shares_network_of if used.group is Group.NETWORKS else ""
        if shared:
            cls: Any = type(used.kind)
            options = attrs.fields(cls) if attrs.has(cls) else ()
            named = next((each.alias for each in options if getattr(used.kind, each.name) == shared), None)
            return (used.path if named is None else (*used.path, named)), shared
    return None


def find_kinds(name: str, definition: Definition, registry: Registry) -> dict[tuple[Group, str], type[Any]]:
    """The classes of plugins that a definition uses, by group and by each name that ``registry`` has for one."""
    used = {(each.group, type(each.kind)) for each in find_uses(name, definition)}
    return {(group, known): kind for group, kind in used for known in registry.name_of(group, kind)}
