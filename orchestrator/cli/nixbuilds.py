"""Definitions that are Nix expressions, for verbs that work without an agent: built first, while the user waits.

Floor: cli.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress

import trio
from attrs import evolve

from orchestrator.core.parse import Parser
from orchestrator.model.action import Broken
from orchestrator.model.source import Form, Source
from orchestrator.ports import World
from orchestrator.system.nixbuild import HostNix
from orchestrator.system.reaper import Children
from orchestrator.tasks.compile import Compiled, compile_sources
from orchestrator.tasks.nixfiles import AT_A_TIME, list_keys


async def compile_all(sources: Iterable[Source], parser: Parser, world: World) -> dict[str, Compiled]:
    """As `compile_sources`, once what is to be built is. The logs of builds that failed stay in a temporary folder
    that their problems name. Never raises for what a user wrote."""
    sources = tuple(sources)
    expressions = [source for source in sources if source.form is Form.NIX and source.text is not None]
    if not expressions:
        return await compile_sources(sources, {}, parser, world)
    folder = tempfile.mkdtemp(prefix="orchestrator-builds-")
    nix = HostNix(world.host.store, Children(), os.environ, folder)
    failed = True
    try:
        compiled = await _compile_built(nix, sources, expressions, parser, world)
        failed = any(each.source.built is None and each.source.form is Form.NIX for each in compiled.values())
    finally:
        # What was built is kept by nobody; the logs of builds that failed stay where their problems say.
        for source in expressions:
            with suppress(OSError):
                os.unlink(f"{folder}/{source.name}")
        if not failed:
            shutil.rmtree(folder, ignore_errors=True)
    return compiled


async def _compile_built(
    nix: HostNix, sources: Iterable[Source], expressions: Iterable[Source], parser: Parser, world: World
) -> dict[str, Compiled]:
    built = await _build_all(nix, expressions)
    ready = [built.get(source.name, source) for source in sources]
    compiled = await compile_sources([each for each in ready if isinstance(each, Source)], {}, parser, world)
    compiled |= {each.source.name: each for each in ready if isinstance(each, Compiled)}
    wrong = [each.source for each in compiled.values() if each.source.built and isinstance(each.result, Broken)]
    placed = [evolve(source, built=await nix.find_places(source, list_keys(source))) for source in wrong]
    return compiled | await compile_sources(placed, {}, parser, world)


async def _build_all(nix: HostNix, sources: Iterable[Source]) -> Mapping[str, Source | Compiled]:
    done: dict[str, Source | Compiled] = {}
    places = trio.CapacityLimiter(AT_A_TIME)

    async def build(source: Source) -> None:
        async with places:
            result = await nix.build(source, lambda progress: _tell(source, progress))
        if result.built is not None:
            done[source.name] = evolve(source, built=result.built)
        elif result.problem is not None:
            done[source.name] = Compiled(source, Broken((result.problem,)), parsed=False)

    async with trio.open_nursery() as nursery:
        for source in sources:
            nursery.start_soon(build, source)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return done


def _tell(source: Source, progress: str) -> None:
    """On a terminal, one line that is written over."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{source.name}: {progress}", end="", file=sys.stderr, flush=True)
