"""The definitions of a directory compiled without an agent, for verbs that compare or show them. Floor: cli."""

import gc
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import trio
from attrs import frozen

from orchestrator.cli.nixbuilds import compile_all
from orchestrator.cli.settings import wanted_runtime
from orchestrator.core.listing import Sorted, refuse_doubled, sort_sources
from orchestrator.core.locate import locate_in_source
from orchestrator.core.parse import Parser
from orchestrator.core.resolve import resolve_spec
from orchestrator.model.action import Broken, Target
from orchestrator.model.definition import Definition
from orchestrator.model.facts import Facts
from orchestrator.model.problem import Fault, Problem
from orchestrator.model.source import Form, Source
from orchestrator.model.spec import ReadySpec, Spec
from orchestrator.ports import OutsideError, Refused, UnknownName
from orchestrator.system.directory import SUFFIXES
from orchestrator.system.facts import HostWorld
from orchestrator.system.plugins import load_plugins
from orchestrator.system.sources import read_sources
from orchestrator.tasks.compile import Compiled
from orchestrator.tasks.gather import Asked, gather_facts
from orchestrator.tasks.kept import Followed, is_another, put_beside
from orchestrator.tasks.linking import NONE_STANDING, LinkCheck


class DirectoryUnreadable(OutsideError):
    """The directory of definitions cannot be read."""


@frozen
class CompiledDirectory:
    """What a directory says, by name, and the problems of its files that name no container: plugins, too."""

    desired: Mapping[str, Target | Broken]
    misnamed: tuple[Problem, ...]


def compile_directory(
    path: str, find_last_good: Callable[[Collection[str]], Iterable[Source]] = lambda names: ()
) -> CompiledDirectory:
    """Compile all definitions of a directory as the agent would, now. find_last_good: of names that are broken.

    Raises DirectoryUnreadable, ProfileUnusable."""
    files = _sort_directory(path)
    plugged = load_plugins(path)
    compiled = _compile(files.sources.values(), plugged.parser)
    doubled = {name: Compiled(sources[0], refuse_doubled(sources)) for name, sources in files.doubled.items()}

    async def follow(checked: Mapping[str, Compiled], _before: Mapping[str, Compiled]) -> Followed:
        broken = {name: each for name, each in checked.items() if isinstance(each.result, Broken)}
        others = [source for source in find_last_good(broken) if is_another(source, broken[source.name])]
        kept = await _compile_sources(others, plugged.parser) if others else {}
        return Followed({**checked, **{name: put_beside(broken[name], each) for name, each in kept.items()}})

    followed = trio.run(LinkCheck().check_and_follow, {**compiled, **doubled}, NONE_STANDING, follow)
    return CompiledDirectory(
        {name: each.result for name, each in followed.names.items()}, (*plugged.problems, *files.misnamed)
    )


def compile_texts(sources: Iterable[Source], directory: str) -> dict[str, Target | Broken]:
    """Compile definitions, each by itself, as the agent would, now, by name. directory: where the agent has its
    plugins. Raises ProfileUnusable."""
    return {name: each.result for name, each in _compile(sources, load_plugins(directory).parser).items()}


def _compile(sources: Iterable[Source], parser: Parser) -> dict[str, Compiled]:
    # All that is made is kept to the end: the collector would look through it again and again, in vain.
    gc.disable()
    try:
        return trio.run(_compile_sources, sources, parser)
    finally:
        gc.enable()


async def _compile_sources(sources: Iterable[Source], parser: Parser) -> dict[str, Compiled]:
    return await compile_all(sources, parser, HostWorld.probe(runtime=wanted_runtime()))


@frozen
class ReadDefinition:
    """The definition of one name, with what is needed to go on with it."""

    source: Source
    definition: Definition
    parser: Parser


def read_definition(path: str, name: str) -> ReadDefinition:
    """The definition of a name in a directory. Raises DirectoryUnreadable, UnknownName, and Refused with the problems
    of its file."""
    files = _sort_directory(path)
    if name in files.doubled:
        raise Refused(f"two files define {name}", refuse_doubled(files.doubled[name]).problems)
    source = files.sources.get(name)
    if source is None:
        raise UnknownName(name, {*files.sources, *files.doubled})
    parser = load_plugins(path).parser
    if source.form is Form.NIX:
        source = _build(source, parser)
    definition = parser.parse(source)
    if not isinstance(definition, Definition):
        raise _refuse(source, definition)
    return ReadDefinition(source, definition, parser)


def _build(source: Source, parser: Parser) -> Source:
    """A Nix expression with what it is built to. Raises Refused with why it is not."""
    compiled = trio.run(compile_all, [source], parser, HostWorld.probe(runtime=wanted_runtime()))[source.name]
    if compiled.source.built is None and isinstance(compiled.result, Broken):
        raise Refused(f"the definition of {source.name} has problems", compiled.result.problems)
    return compiled.source


def resolve_definition(read: ReadDefinition) -> Spec | ReadySpec:
    """What a definition is resolved to on this host, now. Raises Refused with the problems that the host shows,
    ProfileUnusable."""
    return _resolve(read)[0]


def explain_definition(read: ReadDefinition) -> dict[str, Any]:
    """Who contributed each part of the config of a definition, as JSON data. Raises as `resolve_definition`."""
    from orchestrator.core.origins import find_origins, show_origins

    spec, facts = _resolve(read)
    parser = read.parser
    return show_origins(find_origins(read.source.name, read.definition, spec, facts, parser.registry, parser.patience))


def _resolve(read: ReadDefinition) -> tuple[Spec | ReadySpec, Facts]:
    name = read.source.name
    facts = trio.run(gather_facts, {name: Asked(read.definition)}, HostWorld.probe(runtime=wanted_runtime())).facts
    spec = resolve_spec(name, read.definition, facts, read.parser.patience)
    if isinstance(spec, tuple):
        raise _refuse(read.source, spec)
    return spec, facts


def _sort_directory(path: str) -> Sorted:
    listing = read_sources(path, SUFFIXES)
    if listing.error is not None:
        raise DirectoryUnreadable(listing.error)
    return sort_sources(listing.sources)


def _refuse(source: Source, faults: tuple[Fault, ...]) -> Refused:
    problems = locate_in_source(source, faults)
    return Refused(f"the definition of {source.name} has problems", problems)
