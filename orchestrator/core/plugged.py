"""Asks plugin kinds, which may be anybody's code: what they raise, or return wrongly, is a fault of the definition that
uses them, and disturbs nothing else.

Of a kind that does not come back whoever calls this sees to it (`orchestrator.ports.World.patience`). Floor: core.
"""

import json
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from attrs import frozen

from orchestrator.core.silent import no_answer
from orchestrator.core.suggest import quote
from orchestrator.model.attached import PlannedAttachment
from orchestrator.model.contribution import Contribution
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts, Question, StampQuestion, TextQuestion, TextsQuestion
from orchestrator.model.kinds import AskingByUse, MountKind, NetworkKind, Use
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Fault
from orchestrator.model.registry import Group

NOUNS: Mapping[Group, str] = {Group.MOUNTS: "mount", Group.NETWORKS: "network"}
"""What the kinds of a group are kinds of."""


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
        """Its questions; none where it fails to ask, which `contribute` then tells."""
        try:
            return self._find_questions()
        except Exception:
            return ()

    def contribute(self, facts: Facts) -> Contribution:
        """What it contributes; a fault where it fails, or where a file that it goes by could not be read in time. (A
        path that could not be looked at says so itself.)"""
        try:
            asked = self._find_questions()
            read = (each for each in asked if isinstance(each, TextQuestion | TextsQuestion | StampQuestion))
            silent = tuple(no_answer((), question) for question in read if question in facts.unanswered)
            if silent:
                return Contribution(faults=silent)
            contribution: object = self.kind.contribute(self.use, facts)
            if not isinstance(contribution, Contribution):
                return self._fail(f"returned {type(contribution).__name__}, not a Contribution")
            json.dumps([dict(each.work) for each in contribution.attach], allow_nan=False)
        except Exception as error:
            return self._fail(describe_error(error))
        return contribution

    def _find_questions(self) -> tuple[Question, ...]:
        kind = self.kind
        return tuple(kind.questions_for(self.use) if isinstance(kind, AskingByUse) else kind.questions())

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

    def _fail(self, why: str) -> Contribution:
        message = f"the {NOUNS[self.group]} kind {quote(self.name)} failed: {why}"
        return Contribution(faults=(Fault((), message, "this is a defect of the plugin, not of the definition"),))


def find_uses(name: str, definition: Definition) -> tuple[PluggedUse, ...]:
    """The uses of kinds by the definition called ``name``: mounts by destination, then the network."""
    uses = [
        PluggedUse(Group.MOUNTS, ("mounts", destination), Use(name, destination), kind)
        for destination, kind in sorted(definition.mounts.items())
    ]
    if definition.network is not None:
        uses.append(PluggedUse(Group.NETWORKS, ("network",), Use(name), definition.network))
    return tuple(uses)


def watched_questions(name: str, definition: Definition) -> tuple[Question, ...]:
    """Those that the kinds of the definition called ``name`` ask whose answer is as good as a part of it."""
    asked = (question for used in find_uses(name, definition) for question in used.ask())
    return tuple(question for question in asked if getattr(question, "watch", False))


def find_shared(name: str, definition: Definition, facts: Facts) -> tuple[KeyPath, str] | None:
    """The container whose network namespace the definition called ``name`` joins, with the key path that names it;
    None where it joins none. Also where the definition has faults."""
    for used in find_uses(name, definition) if definition.network is not None else ():
        shared = used.contribute(facts).shares_network_of if used.group is Group.NETWORKS else ""
        if shared:
            cls: Any = type(used.kind)
            options = attrs.fields(cls) if attrs.has(cls) else ()
            named = next((each.alias for each in options if getattr(used.kind, each.name) == shared), None)
            return (used.path if named is None else (*used.path, named)), shared
    return None


def describe_error(error: BaseException) -> str:
    """An exception of somebody's code in one line: ``ValueError: no such thing (kinds.py, line 12)``."""
    frames: Any = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {text}' if text else ''}{place}"
