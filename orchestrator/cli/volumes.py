"""`orchestrator volumes`: the folders that containers keep, who uses them, and removing those that nobody does.

Needs no agent, and goes by the same files whether one runs or not. Floor: cli.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import click
from attrs import evolve, field, frozen

from orchestrator.cli.asking import find_agent
from orchestrator.cli.errors import FAILED, warn, write_output
from orchestrator.cli.generations import Shelf, find_shelf
from orchestrator.cli.settings import default_config, layout_of, run_option, state_option, take_path_if_any
from orchestrator.cli.table import print_table
from orchestrator.core.sizes import show_size
from orchestrator.core.volumes import (
    describe_users,
    find_keeping,
    find_volumes,
    find_volumes_of,
    refuse_removal,
    refuse_unknown,
)
from orchestrator.model.definition import Definition
from orchestrator.model.layout import Layout
from orchestrator.model.source import Form, Source
from orchestrator.model.state import AgentState
from orchestrator.model.volume import Volume
from orchestrator.ports import Damaged, OutsideError
from orchestrator.system.configs import read_config
from orchestrator.system.sources import read_sources
from orchestrator.system.states import read_agent, read_instances
from orchestrator.system.volumes import (
    VolumeInUse,
    is_state_locked,
    list_volumes,
    measure_volume,
    remove_volume,
)

if TYPE_CHECKING:
    from orchestrator.core.parse import Parser

HEADERS = ("NAME", "SIZE", "USED BY")


class VolumesUnknown(OutsideError):
    """It cannot be told which volumes are used."""


@frozen
class _Known:
    """What is known of the use of volumes. ``unread`` are files of which it is not known what they use."""

    definitions: Mapping[str, Collection[str]]
    instances: Mapping[str, Collection[str]]
    generations: Mapping[str, Collection[int]]
    unread: tuple[str, ...] = field(default=())

    def describe(self, name: str) -> Volume:
        """What is known of one volume."""
        return Volume(
            name=name,
            definitions=tuple(sorted(self.definitions.get(name, ()))),
            instances=tuple(sorted(self.instances.get(name, ()))),
            generations=tuple(sorted(self.generations.get(name, ()))),
        )


config_option = click.option(
    "--config",
    metavar="DIR",
    callback=take_path_if_any,
    envvar="ORCHESTRATOR_CONFIG",
    show_envvar=True,
    help="The directory of definitions; default: that of the agent, if one runs.",
)


@click.group("volumes", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")
@config_option
@state_option
@run_option
@click.pass_context
def command(context: click.Context, as_json: bool, config: str | None, state: str, run: str) -> int:
    """Show the volumes of the state directory, with their sizes and who uses them.

    A definition that uses one is of the directory, or of the generation that is followed.
    """
    context.obj = layout, directory = layout_of(state, run), config
    if context.invoked_subcommand is not None:
        return 0
    known = _look(layout, directory)
    volumes = [evolve(known.describe(name), size=measure_volume(layout, name)) for name in list_volumes(layout)]
    if as_json:
        write_output(json.dumps([_to_json(each) for each in volumes], indent=2) + "\n")
    else:
        print_table(HEADERS, [(each.name, show_size(each.size or 0), describe_users(each)) for each in volumes])
    for file in known.unread:
        warn(f"{file}: which volumes it uses is not known")
    return 0


@command.command("rm")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--unused", is_flag=True, help="All that nobody uses.")
@click.option("--ignore-generations", is_flag=True, help="Also those that only a roll-back would want.")
@config_option
@click.option("--state", metavar="DIR", callback=take_path_if_any, help="As of `orchestrator volumes`.")
@click.option("--run", metavar="DIR", callback=take_path_if_any, help="As of `orchestrator volumes`.")
@click.pass_obj
def remove(
    where: tuple[Layout, str | None],
    names: tuple[str, ...],
    unused: bool,
    ignore_generations: bool,
    config: str | None,
    state: str | None,
    run: str | None,
) -> int:
    """Remove volumes with all that is in them. One that is used is refused, and none is removed then.

    A volume is used by an instance that has it, by a definition, and by the earlier generations, which are kept for a
    roll-back.
    """
    if not names and not unused:
        raise click.UsageError("say which: NAME... or --unused")
    outer, directory = where
    layout = layout_of(state or outer.state, run or outer.run)
    known = _look(layout, config or directory, thoroughly=True)
    if known.unread:
        raise VolumesUnknown(f"cannot remove a volume: which ones {known.unread[0]} uses is not known; mend it first")
    there = list_volumes(layout)
    refused = [refuse_unknown(name, there) for name in names if name not in there]
    wanted = list(dict.fromkeys(name for name in names if name in there))
    for name in wanted:
        why = refuse_removal(known.describe(name), with_generations=ignore_generations)
        refused += [f"cannot remove the volume {name}: {why}"] if why else []
    if refused:
        for line in refused:
            warn(line)
        return FAILED
    if unused:
        free = (name for name in there if not refuse_removal(known.describe(name), with_generations=ignore_generations))
        wanted = list(dict.fromkeys([*wanted, *free]))
    return max((_remove(layout, name) for name in wanted), default=0)


def _remove(layout: Layout, name: str) -> int:
    """Remove a volume, unless somebody has it by now; the exit code."""

    def find_users() -> tuple[str, ...]:
        return tuple(sorted(_find_instances(layout).get(name, ())))

    try:
        remove_volume(layout, name, find_users)
    except VolumeInUse as error:
        warn(str(error))
        return FAILED
    write_output(f"{name}\n")
    return 0


def _look(layout: Layout, directory: str | None, *, thoroughly: bool = False) -> _Known:
    """Who uses which volumes. directory: of the definitions, if it is given. thoroughly: each text is read, as it may
    name a kind that keeps volumes and is not there now. Raises OutsideError."""
    if find_agent(layout) is None and is_state_locked(layout):
        raise VolumesUnknown(f"an agent has {layout.state}, and its run directory is not {layout.run}: give it (--run)")
    from orchestrator.system.plugins import load_plugins  # it takes long to load, for nothing where nobody looks

    directory = directory or _find_directory(layout)
    parser = load_plugins(directory).parser
    shelf = find_shelf(layout)
    reader = _Reader(parser, thoroughly=thoroughly)
    definitions: dict[str, set[str]] = defaultdict(set)
    generations: dict[str, set[int]] = defaultdict(set)
    unread: list[str] = []
    followed = reader.read_generations(shelf, definitions, generations, unread) if shelf is not None else frozenset()
    for source in _read_directory(directory):
        found = reader.read(source)
        for volume in found or ():
            definitions[volume].add(source.name)
        # What cannot be read is as it was last accepted, if it was.
        if found is None and source.name not in followed:
            unread.append(source.file)
    return _Known(definitions, _find_instances(layout), generations, tuple(unread))


def _find_directory(layout: Layout) -> str:
    """That of the agent, if one runs."""
    agent = read_agent(layout)
    return agent.config if isinstance(agent, AgentState) else default_config()


def _read_directory(directory: str) -> Iterable[Source]:
    from orchestrator.system.directory import SUFFIXES

    listing = read_sources(directory, SUFFIXES)
    if listing.error is not None:
        raise VolumesUnknown(f"cannot tell which volumes are used: {listing.error}")
    return listing.sources


def _find_instances(layout: Layout) -> dict[str, set[str]]:
    """The ids of the instances that have each volume. Raises DiskFailed, VolumesUnknown."""
    found: dict[str, set[str]] = defaultdict(set)
    reading = read_instances(layout)
    for damaged in reading.damaged:
        raise VolumesUnknown(f"cannot tell which volumes are used: {damaged}")
    for state in reading.states:
        for volume in find_volumes_of(state, read_config(layout.bundle(state.bundle))):
            found[volume].add(state.instance)
    return found


class _Reader:
    """Reads definitions for the volumes that they use, each text once."""

    def __init__(self, parser: "Parser", *, thoroughly: bool) -> None:
        self._parser = parser
        self._thoroughly = thoroughly
        self._keeping = find_keeping(parser.registry)
        self._known: dict[tuple[str, str], frozenset[str] | None] = {}

    def read(self, source: Source) -> frozenset[str] | None:
        """The volumes that a definition uses; None where that cannot be told."""
        text = source.text if source.form is not Form.NIX else None
        is_plain = text is not None and "\\" not in text and not self._thoroughly
        if is_plain and text is not None and not any(kind in text for kind in self._keeping):
            return frozenset()  # none of the kinds is named: most texts are not parsed
        definition = self._parser.parse(source)
        return find_volumes(source.name, definition) if isinstance(definition, Definition) else None

    def read_generations(
        self,
        shelf: Shelf,
        definitions: Mapping[str, set[str]],
        generations: Mapping[str, set[int]],
        unread: list[str],
    ) -> frozenset[str]:
        """Adds what the generations use, and what cannot be read of the one that is followed; the names that are in
        that one."""
        followed: frozenset[str] = frozenset()
        for number in shelf.numbers:
            try:
                generation = shelf.store.read(number)
            except Damaged as error:
                warn(f"generation {number} left out: {error}")
                continue
            if number == shelf.live:
                followed = frozenset(generation.definitions)
            for accepted in generation.definitions.values():
                key = (accepted.name, accepted.digest)
                if key not in self._known:
                    self._known[key] = self._read_kept(shelf, number, accepted.name)
                if self._known[key] is None and number == shelf.live:
                    unread.append(f"{accepted.file} of generation {number}")
                for volume in self._known[key] or ():
                    if number == shelf.live:
                        definitions[volume].add(accepted.name)
                    else:
                        generations[volume].add(number)
        return followed

    def _read_kept(self, shelf: Shelf, number: int, name: str) -> frozenset[str] | None:
        found = [self.read(source) for source in shelf.read_sources(number, (name,))]
        return found[0] if found else None


def _to_json(volume: Volume) -> dict[str, object]:
    return {
        "name": volume.name,
        "size": volume.size,
        "definitions": list(volume.definitions),
        "instances": list(volume.instances),
        "generations": list(volume.generations),
    }
