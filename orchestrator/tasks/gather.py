"""Gathers what must be known of the world for a set of definitions: what they ask, and what can only be asked once that
is answered. Floor: tasks."""

from collections.abc import Iterable, Mapping

from attrs import evolve, field, frozen

from orchestrator.core.closure import closure_questions
from orchestrator.core.questions import ask_questions
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts, PlaceQuestion, Question
from orchestrator.model.store import StoreLink
from orchestrator.ports import World


@frozen
class Asked:
    """A definition, and where links led when it was kept, if it was: that is not asked again."""

    definition: Definition
    links: tuple[StoreLink, ...] = ()


@frozen
class Gathered:
    """What is known, and which question each definition asks, by name."""

    facts: Facts
    questions: Mapping[str, tuple[Question, ...]]
    _own: Mapping[str, Facts] = field(factory=dict)

    def facts_of(self, name: str) -> Facts:
        """What a definition is to go by: with the links as they were, where those were kept."""
        return self._own.get(name, self.facts)


async def gather_facts(definitions: Mapping[str, Asked], world: World) -> Gathered:
    """The answers to all that these definitions ask, by name. Never raises."""
    asked = {name: ask_questions(name, each.definition, world.host.store) for name, each in definitions.items()}
    own: dict[str, dict[PlaceQuestion, str | None]] = {
        name: dict(_recall(asked[name], each.links)) for name, each in definitions.items() if each.links
    }
    facts = await world.gather(
        question for name, questions in asked.items() for question in questions if question not in own.get(name, ())
    )

    def with_own(name: str) -> Facts:
        return evolve(facts, places={**facts.places, **own[name]}) if name in own else facts

    further = {name: closure_questions(each.definition, with_own(name)) for name, each in definitions.items()}
    if any(further.values()):
        facts = facts.join(await world.gather(question for questions in further.values() for question in questions))
    questions: dict[str, tuple[Question, ...]] = {
        name: (*(question for question in each if question not in own.get(name, ())), *further[name])
        for name, each in asked.items()
    }
    return Gathered(facts, questions, {name: with_own(name) for name in own})


def _recall(questions: Iterable[Question], links: Iterable[StoreLink]) -> Iterable[tuple[PlaceQuestion, str]]:
    """The answers that the links give which were kept."""
    targets = {link.path: link.target for link in links}
    for question in questions:
        if isinstance(question, PlaceQuestion) and question.path in targets:
            yield question, targets[question.path]
