"""The definitions of a directory compiled without an agent, for verbs that compare or show them. Floor: cli."""

from collections.abc import Mapping

import trio
from attrs import frozen

from orchestrator.core.listing import refuse_doubled, sort_sources
from orchestrator.core.parse import Parser
from orchestrator.model.action import Broken, Target
from orchestrator.model.problem import Problem
from orchestrator.ports import OutsideError
from orchestrator.system.directory import SUFFIXES
from orchestrator.system.entrypoints import load_registry
from orchestrator.system.facts import HostWorld
from orchestrator.system.sources import read_sources
from orchestrator.tasks.compile import compile_sources


class DirectoryUnreadable(OutsideError):
    """The directory of definitions cannot be read."""


@frozen
class CompiledDirectory:
    """What a directory says, by name, and the problems of its files that name no container."""

    desired: Mapping[str, Target | Broken]
    misnamed: tuple[Problem, ...]


def compile_directory(path: str) -> CompiledDirectory:
    """Compile all definitions of a directory as the agent would, now. Raises DirectoryUnreadable, ProfileUnusable."""
    listing = read_sources(path, SUFFIXES)
    if listing.error is not None:
        raise DirectoryUnreadable(listing.error)
    files = sort_sources(listing.sources)
    parser, world = Parser(load_registry()), HostWorld.probe()
    compiled = trio.run(compile_sources, files.sources.values(), {}, parser, world)
    desired = {name: each.result for name, each in compiled.items()}
    doubled = {name: refuse_doubled(sources) for name, sources in files.doubled.items()}
    return CompiledDirectory({**desired, **doubled}, files.misnamed)
