"""`orchestrator build`: the OCI bundle of one definition, for any runtime to run. Floor: cli."""

import os
import sys
from collections.abc import Collection, Iterable

import click
import trio

from orchestrator.cli.errors import FAILED, warn, write_output
from orchestrator.cli.names import complete_files
from orchestrator.cli.nixbuilds import compile_all
from orchestrator.cli.progress import show_progress
from orchestrator.cli.settings import make_absolute
from orchestrator.core.excerpt import show_problem
from orchestrator.core.listing import check_source_name
from orchestrator.model.action import Broken, Target
from orchestrator.model.bundle import Bundle
from orchestrator.model.registry import Group
from orchestrator.model.source import Source
from orchestrator.system.export import count_files, export_bundle
from orchestrator.system.facts import HostWorld
from orchestrator.system.plugins import load_plugins
from orchestrator.system.sources import read_source


@click.command("build")
@click.argument("file", metavar="FILE", shell_complete=complete_files)
@click.option(
    "-o", "--output", metavar="DIR", required=True, help="The bundle's folder; it must not exist or be empty."
)
@click.option("--copy", is_flag=True, help="Copy the root file system and what is mounted read-only into the bundle.")
def command(file: str, output: str, copy: bool) -> int:
    """Make the OCI bundle of one definition: `runc run -b DIR NAME` runs it."""
    source = read_source(file)
    result = trio.run(_compile, source)
    if isinstance(result, Broken):
        for problem in result.problems:
            click.echo(show_problem(problem, source.text) + "\n", err=True)
        return FAILED
    total = count_files(result.bundle) if copy and sys.stderr.isatty() else 0
    with show_progress("copying", total) as tell:
        live = result.live or ()
        output_folder = make_absolute(output)
        exported = export_bundle(result.bundle, result.resources, output_folder, copy=copy, live=live, tell=tell)
    for mount in exported.staying:
        warn(f"{mount.destination} still comes from {mount.source} of the host")
    for line in describe_left_out(result.bundle, {mount.destination for mount in exported.left_out}):
        warn(line)
    folder = os.path.normpath(output)
    if result.bundle.store is not None and not copy:
        warn("what it needs of the store is not kept from the garbage collector: nix-store --add-root does that")
    if result.bundle.shares_network_of:
        warn(f"its network is its own: only an agent can have it share that of {result.bundle.shares_network_of}")
    for variables in result.bundle.env_files:
        warn(f"what {variables.path} says now stands in {folder}/config.json, and only its owner may read that")
    write_output(f"{folder}\n")
    return 0


def describe_left_out(bundle: Bundle, left_out: Collection[str]) -> Iterable[str]:
    """What an agent would do on the host for an instance, and nobody does for this bundle. left_out: the destinations
    that are not mounted."""
    told = set[str]()
    for each in bundle.attachments:
        if each.key in told:
            continue
        told.add(each.key)
        if each.group == Group.NETWORKS.value:
            yield f"the network ({each.type}) is not connected: only an agent does that"
        elif each.key in left_out:
            yield f"{each.key} ({each.type}) is left out: only an agent can mount it"
        else:
            yield f"{each.key} ({each.type}) is not prepared on the host: only an agent does that"


async def _compile(source: Source) -> Target | Broken:
    problem = check_source_name(source)
    if problem is not None:
        return Broken((problem,))
    compiled = await compile_all([source], load_plugins(os.path.dirname(source.file)).parser, HostWorld.probe())
    return compiled[source.name].result
