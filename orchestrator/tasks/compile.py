"""Compiles sources to targets: parse, gather facts, resolve, render, with each stage's problems placed. Floor: tasks.

The stages are pure functions of `orchestrator.core`; the one thing awaited is the world's answer to their questions.
"""

from collections.abc import Iterable, Mapping

import trio
from attrs import field, frozen

from orchestrator.core.locate import locate_faults
from orchestrator.core.parse import Parser
from orchestrator.core.questions import ask_questions
from orchestrator.core.render import render_bundle
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.action import Broken, Target
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Question, TextQuestion
from orchestrator.model.problem import Fault
from orchestrator.model.source import Source
from orchestrator.ports import World


@frozen
class Compiled:
    """What a source became, with the paths of the host that it depends on while it is broken."""

    source: Source
    result: Target | Broken
    parsed: bool = True
    """False if its text alone is wrong, so that no change of the world can mend it."""
    awaits: frozenset[str] = field(factory=frozenset)
    """Not those that did not answer: to look at them is to hang."""

    def still_holds(self, source: Source) -> bool:
        """Whether compiling ``source`` would give this again."""
        mendable = isinstance(self.result, Broken) and self.parsed
        return self.source == source and not mendable


async def compile_sources(
    sources: Iterable[Source], before: Mapping[str, Compiled], parser: Parser, world: World
) -> dict[str, Compiled]:
    """Compile every source, by name.

    before: the last result; what has the same text is taken from it, unless it was broken by the world's state and may
    be mended by now. Never raises for what a user wrote.
    """
    done: dict[str, Compiled] = {}
    definitions: dict[str, tuple[Source, Definition]] = {}
    for source in sources:
        known = before.get(source.name)
        if known is not None and known.still_holds(source):
            done[source.name] = known
            continue
        await trio.lowlevel.checkpoint()  # many files that change at once must not hold up what supervises
        parsed = parser.parse(source)
        if isinstance(parsed, Definition):
            definitions[source.name] = source, parsed
        else:
            done[source.name] = Compiled(source, _broken(source, parsed), parsed=False)
    if not definitions:
        return done
    questions = {name: ask_questions(name, definition) for name, (_, definition) in definitions.items()}
    facts = await world.gather(question for asked in questions.values() for question in asked)
    for name, (source, definition) in definitions.items():
        await trio.lowlevel.checkpoint()
        spec = resolve_spec(name, definition, facts)
        if isinstance(spec, tuple):
            done[name] = Compiled(source, _broken(source, spec), awaits=_paths(set(questions[name]) - facts.unanswered))
        else:
            done[name] = Compiled(source, Target(render_bundle(spec), spec.resources, spec.policy))
    return done


def _broken(source: Source, faults: tuple[Fault, ...]) -> Broken:
    return Broken(locate_faults(source.file, source.text, faults))


def _paths(questions: Iterable[Question]) -> frozenset[str]:
    return frozenset(_path(question) for question in questions)


def _path(question: Question) -> str:
    if isinstance(question, TextQuestion):
        return f"{question.root.rstrip('/')}{question.path}"
    return question.path
