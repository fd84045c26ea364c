"""Gathers what must be known of the world for a set of definitions: what they ask, and what can only be asked once that
is answered. Floor: tasks."""

from collections.abc import Iterable, Mapping

from attrs import evolve, field, frozen

from orchestrator.core.further import further_questions
from orchestrator.core.questions import ask_questions
from orchestrator.core.references import choose_store
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts, PathQuestion, PlaceQuestion, Question
from orchestrator.model.store import Store, StoreLink
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
    store = world.host.store
    recalled = {
        name: _Recalled(ask_questions(name, each.definition, store), each.links, choose_store(each.definition, store))
        for name, each in definitions.items()
    }
    facts = await world.gather(question for each in recalled.values() for question in each.asked)
    own = {name: each.put_in(facts) for name, each in recalled.items() if each.places}
    further = {name: further_questions(each.definition, own.get(name, facts)) for name, each in definitions.items()}
    if any(further.values()):
        more = await world.gather(question for questions in further.values() for question in questions)
        facts, own = facts.join(more), {name: each.join(more) for name, each in own.items()}
    questions = {name: (*each.asked, *further[name]) for name, each in recalled.items()}
    return Gathered(facts, questions, own)


class _Recalled:
    """The questions of a definition, without those that the links answer which were kept: what they lead to is looked
    at instead. ``places`` has the answers."""

    def __init__(self, questions: Iterable[Question], links: Iterable[StoreLink], store: Store) -> None:
        targets = {link.path: link.target for link in links}
        self.places: dict[PlaceQuestion, str | None] = {}
        self._real: dict[str, str] = {}
        asked: list[Question] = []
        for question in questions:
            if isinstance(question, PlaceQuestion) and question.path in targets:
                self.places[question] = targets[question.path]
            elif isinstance(question, PathQuestion) and question.path in targets:
                self._real[question.path] = store.find_real(targets[question.path])
                asked.append(PathQuestion(self._real[question.path]))
            else:
                asked.append(question)
        self.asked = tuple(asked)

    def put_in(self, facts: Facts) -> Facts:
        """What is known, as if the links led where they did."""
        paths = {path: facts.paths[real] for path, real in self._real.items()}
        return evolve(facts, places={**facts.places, **self.places}, paths={**facts.paths, **paths})
