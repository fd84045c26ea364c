"""`orchestrator check`: every problem of files or directories, with its line. Needs no agent, no root. Floor: cli."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping

import click
import trio
from attrs import asdict, frozen

from orchestrator.cli.errors import FAILED, write_output
from orchestrator.cli.names import complete_files
from orchestrator.cli.nixbuilds import compile_all
from orchestrator.cli.settings import default_config, wanted_runtime
from orchestrator.core.excerpt import show_problem
from orchestrator.core.listing import refuse_doubled, sort_sources
from orchestrator.core.suggest import list_choices
from orchestrator.model.action import Broken
from orchestrator.model.problem import Problem
from orchestrator.model.source import Source
from orchestrator.ports import OutsideError
from orchestrator.system.directory import SUFFIXES
from orchestrator.system.facts import HostWorld
from orchestrator.system.pluginfolder import read_plugins
from orchestrator.system.plugins import HostPlugins
from orchestrator.system.sources import read_source, read_sources
from orchestrator.tasks.compile import Compiled
from orchestrator.tasks.linking import LinkCheck


class CannotCheck(OutsideError):
    """A directory that was to be checked cannot be read."""


@frozen
class _Batch:
    """Definitions that are looked at together."""

    sources: tuple[Source, ...]
    folder: str
    """Where they are."""
    is_whole: bool = False
    """They are all of a directory, so that what they say of each other can be checked too."""


@frozen
class _Checked:
    """How many definitions were looked at, what is wrong, and the texts to show it in."""

    definitions: int
    problems: tuple[Problem, ...]
    texts: dict[str, str | None]


@click.command("check")
@click.argument("paths", nargs=-1, metavar="[FILE|DIR]...", shell_complete=complete_files)
@click.option("--json", "as_json", is_flag=True, help="A list of problems, for programs; empty if there is none.")
def command(paths: tuple[str, ...], as_json: bool) -> int:
    """Say what is wrong with definitions: those of files, of directories, or of the watched directory."""
    if paths:
        batches = [_read_directory(path) if os.path.isdir(path) else _read_file(path) for path in paths]
    else:
        batches = [_read_directory(os.environ.get("ORCHESTRATOR_CONFIG") or default_config())]
    checked = trio.run(_check, batches)
    if as_json:
        write_output(json.dumps([asdict(problem) for problem in checked.problems], indent=2) + "\n")
    else:
        for problem in checked.problems:
            write_output(show_problem(problem, checked.texts.get(problem.file)) + "\n\n")
        write_output(f"{_count(checked.definitions, 'definition')}, {_count(len(checked.problems), 'problem')}\n")
    return FAILED if checked.problems else 0


def _read_file(path: str) -> _Batch:
    return _Batch((read_source(path),), os.path.dirname(path))


def _read_directory(path: str) -> _Batch:
    """All definitions of a directory. Raises CannotCheck if it cannot be read."""
    listing = read_sources(path, SUFFIXES)
    if listing.error is not None:
        raise CannotCheck(listing.error)
    return _Batch(listing.sources, path, is_whole=True)


async def _check(batches: Iterable[_Batch]) -> _Checked:
    world = HostWorld.probe(runtime=wanted_runtime())
    plugins: dict[str, HostPlugins] = {}
    problems: list[Problem] = []
    texts: dict[str, str | None] = {}
    count = 0
    for batch in batches:
        count += len(batch.sources)
        files = read_plugins(batch.folder)
        plugged = plugins.setdefault(batch.folder, HostPlugins()).load(files)
        parser = plugged.parser
        if batch.is_whole:
            problems += plugged.problems
            texts |= {file.path: file.code.decode(errors="replace") for file in files}
        texts |= {source.file: source.text for source in batch.sources}
        foreign = [source for source in batch.sources if _is_foreign(source)]
        problems += map(_refuse_foreign, foreign)
        ordered = sort_sources(source for source in batch.sources if source not in foreign)
        problems += ordered.misnamed
        # What two files say of one name is checked all the same: one of them will be left.
        compiled = await compile_all(ordered.sources.values(), parser, world)
        for name, doubled in ordered.doubled.items():
            compiled[name] = Compiled(doubled[0], refuse_doubled(doubled))
            for source in doubled:
                problems += _list_problems(await compile_all([source], parser, world))
        problems += _list_problems(LinkCheck().check(compiled) if batch.is_whole else compiled)
    return _Checked(count, tuple(sorted(problems)), texts)


def _list_problems(compiled: Mapping[str, Compiled]) -> Iterator[Problem]:
    for each in compiled.values():
        if isinstance(each.result, Broken):
            yield from each.result.problems


def _is_foreign(source: Source) -> bool:
    """Whether a person has named a file that the agent would not look at. Of one that cannot be read that is what there
    is to say."""
    return source.text is not None and not source.file.endswith(SUFFIXES)


def _refuse_foreign(source: Source) -> Problem:
    message = f'"{os.path.basename(source.file)}" is not a definition'
    return Problem(source.file, 1, 1, "", message, f"its name must end in {list_choices(SUFFIXES)}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
