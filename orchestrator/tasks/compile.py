"""Compiles sources to targets: parse, gather facts, resolve, render, with each stage's problems placed. Floor: tasks.

The stages are pure functions of `orchestrator.core`; the one thing awaited is the world's answer to their questions.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any

import trio
from attrs import evolve, field, frozen

from orchestrator.core.closure import find_gone_links, find_links
from orchestrator.core.fields import describe_fields, describe_links
from orchestrator.core.links import Links
from orchestrator.core.locate import locate_in_source
from orchestrator.core.parse import Parser
from orchestrator.core.plugged import find_kinds, find_shared
from orchestrator.core.questions import content_questions, find_watched
from orchestrator.core.render import render_bundle
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.action import Broken, Target
from orchestrator.model.definition import Definition
from orchestrator.model.facts import (
    ClosureQuestion,
    ContentQuestion,
    DigestAnswer,
    DigestQuestion,
    EntriesQuestion,
    Facts,
    PlaceQuestion,
    Question,
    StampAnswer,
    StampQuestion,
    TextQuestion,
    TextsAnswer,
    TextsQuestion,
)
from orchestrator.model.policy import ContainerType
from orchestrator.model.problem import Fault
from orchestrator.model.registry import Group, Registry
from orchestrator.model.source import Source
from orchestrator.model.store import StoreLink
from orchestrator.ports import World
from orchestrator.tasks.gather import Asked, gather_facts

Answer = DigestAnswer | StampAnswer | TextsAnswer | str | None
"""What a file says, or the digest or the state of it, or where a link leads; what the files of a folder say."""


@frozen
class Compiled:
    """What a source became, and what of the host makes it something else."""

    source: Source
    result: Target | Broken
    parsed: bool = True
    """False if its text alone is wrong, or a kind that it names did not come back, so that no change of the world can
    mend it."""
    awaits: frozenset[str] = field(factory=frozenset)
    """The paths whose appearance may mend it while it is broken."""
    depends: frozenset[str] = field(factory=frozenset)
    """The files that make it something else when they say something else. Neither has those that did not answer: to
    look at them is to hang."""
    answers: Mapping[Question, Answer] = field(factory=dict, repr=False)
    """What these files said, as far as it was answered when it was compiled; empty while it is broken."""
    silent: Set[Question] = frozenset()
    """Those of them that did not answer when they were asked last."""
    links: Links | None = None
    """Whom it names of the others; None where its text cannot be read."""
    followed: tuple[StoreLink, ...] = ()
    """The links into a store that were found in this text, now or before."""
    kinds: Mapping[tuple[Group, str], object] | None = field(default=None, repr=False)
    """The classes of plugins that it names; None where that is not known."""
    registry: Registry | None = field(default=None, repr=False, eq=False)
    """The kinds that there were."""

    def still_holds(self, source: Source, registry: Registry) -> bool:
        """Whether compiling ``source`` with the kinds of ``registry`` would give this again, unless ``answers`` are
        others by now."""
        mendable = isinstance(self.result, Broken) and self.parsed
        if self.source != source or mendable:
            return False
        if registry is self.registry:
            return True
        return self.kinds is not None and all(registry.find(*key) is kind for key, kind in self.kinds.items())


async def compile_sources(
    sources: Iterable[Source],
    before: Mapping[str, Compiled],
    parser: Parser,
    world: World,
    followed_before: Mapping[str, tuple[StoreLink, ...]] | None = None,
) -> dict[str, Compiled]:
    """Compile every source, by name.

    before: the last result; what has the same text is taken from it, unless it was broken by the world's state and may
    be mended by now, or a file that it depends on says something else. followed_before: the links into a store that an
    earlier agent followed, by name. Never raises for what a user wrote.
    """
    sources = tuple(sources)
    known = ((source, before.get(source.name)) for source in sources)
    registry, patience = parser.registry, parser.patience
    held = {each.name: was for each, was in known if was is not None and was.still_holds(each, registry)}
    done = await _ask_again(held, world)
    definitions: dict[str, tuple[Source, Definition]] = {}
    for source in sources:
        if source.name in done:
            continue
        await trio.lowlevel.checkpoint()  # many files that change at once must not hold up what supervises
        parsed = parser.parse(source)
        if isinstance(parsed, Definition):
            definitions[source.name] = source, parsed
        else:
            done[source.name] = Compiled(source, _broken(source, parsed), parsed=False, registry=registry)
    if not definitions:
        return done
    gathered = await gather_facts(
        {name: Asked(definition, source.links) for name, (source, definition) in definitions.items()}, world
    )
    facts = gathered.facts
    digests = {path: answer.digest for path, answer in facts.digests.items()}
    for name, (source, definition) in definitions.items():
        await trio.lowlevel.checkpoint()
        own_facts = gathered.facts_of(name)
        was = before.get(name)
        known_links = was.followed if was is not None else (followed_before or {}).get(name, ())
        followed = find_links(definition, own_facts, known_links)
        gone = find_gone_links(definition, own_facts, followed)
        spec = gone or resolve_spec(name, definition, own_facts, patience)
        asked = gathered.questions[name]
        contents = tuple(each for each in content_questions(name, definition, own_facts) if each in asked)
        is_stuck = isinstance(spec, tuple) and any(fault.lasting for fault in spec)
        shares = None if is_stuck else find_shared(name, definition, own_facts, patience)
        oneshot = definition.type is ContainerType.ONESHOT
        links = Links(definition.after, definition.requires, shares, ends=oneshot)
        kinds = find_kinds(name, definition, registry)
        if isinstance(spec, tuple):
            answered = set(asked) - facts.unanswered
            by_content = (DigestQuestion, ContentQuestion, ClosureQuestion, EntriesQuestion)
            nowhere = {each for each in answered if isinstance(each, PlaceQuestion) and own_facts.places[each] is None}
            read = {each for each in answered - nowhere if each in contents or isinstance(each, by_content)}
            result = _broken(source, spec)
            awaits, depends = _paths(answered - read), _paths(read) | _files(facts.folder_texts, read)
            done[name] = Compiled(
                source,
                result,
                parsed=not any(fault.lasting for fault in spec),
                awaits=awaits,
                depends=depends,
                links=links,
                followed=followed,
                kinds=kinds,
                registry=registry,
            )
        else:
            fields = describe_fields(definition, registry, digests) | describe_links(spec.store)
            bundle = render_bundle(spec)
            target = Target(bundle, spec.resources, spec.policy, source, fields, spec.live, spec.claims)
            answers = {question: _answer(question, facts) for question in contents}
            made = Compiled(
                source, target, answers=answers, links=links, followed=followed, kinds=kinds, registry=registry
            )
            done[name] = _watch(made, frozenset())
    return done


async def _ask_again(known: Mapping[str, Compiled], world: World) -> dict[str, Compiled]:
    """Those that are still so by what the files say that they depend on. One that does not answer now is taken to say
    what it said: nothing that runs is replaced since a disk is slow."""
    asked = tuple(dict.fromkeys(question for each in known.values() for question in each.answers))
    if not asked:
        return dict(known)
    facts = await world.gather(asked)
    unchanged: dict[str, Compiled] = {}
    for name, each in known.items():
        silent = each.answers.keys() & facts.unanswered
        if all(_answer(question, facts) == each.answers[question] for question in each.answers.keys() - silent):
            unchanged[name] = each if silent == each.silent else _watch(each, silent)
    return unchanged


def _watch(compiled: Compiled, silent: Set[Question]) -> Compiled:
    """With what is to be watched: the files that it is made from, and links that lead nowhere in a store yet; not what
    is ``silent``."""
    answered = compiled.answers.keys() - silent
    nowhere = {each for each in answered if isinstance(each, PlaceQuestion) and compiled.answers[each] is None}
    files = _paths(answered - nowhere) | _files(compiled.answers, compiled.answers)
    return evolve(compiled, awaits=_paths(nowhere), depends=files, silent=silent)


def _answer(question: Question, facts: Facts) -> Answer:
    """The answer to one of the questions whose answer is as good as a part of the definition."""
    match question:
        case TextQuestion():
            return facts.texts[question]
        case TextsQuestion():
            return facts.folder_texts[question]
        case PlaceQuestion():
            return facts.places[question]
        case DigestQuestion(path=path):
            return facts.digests[path]
        case StampQuestion(path=path):
            return facts.stamps[path]
        case ContentQuestion():
            return facts.contents[question]
        case _:
            raise AssertionError(f"{question} is not asked for its content")


def _broken(source: Source, faults: tuple[Fault, ...]) -> Broken:
    return Broken(locate_in_source(source, faults))


def _paths(questions: Iterable[Question]) -> frozenset[str]:
    return frozenset(path for question in questions for path in find_watched(question))


def _files(answers: Mapping[Any, Any], questions: Iterable[Question]) -> frozenset[str]:
    """The files of the folders that were asked for what their files say: the folder itself tells which there are."""
    asked = (question for question in questions if isinstance(question, TextsQuestion))
    return frozenset(f"{each.path}/{name}" for each in asked for name, _ in answers[each] or ())
