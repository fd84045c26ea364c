"""`orchestrator plugins`: which kinds of mounts and networks there are, and a project for another one. Floor: cli."""

import json

import click

from orchestrator.cli.errors import FAILED, warn, write_output
from orchestrator.cli.names import complete_files, complete_kinds
from orchestrator.cli.settings import config_option, make_absolute
from orchestrator.ports import OutsideError

LIST, NEW = "list", "new"
"""The two commands; the first is meant where no other is named."""


class NoSuchKind(OutsideError):
    """No plugin has a kind of that name."""


class KindsGroup(click.Group):
    """``plugins [NAME]`` says what there is; ``plugins new`` is a command of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = args[:1] in ([NEW], ["-h"], ["--help"])
        return super().parse_args(ctx, args if named else [LIST, *args])

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[NAME] [--json] [--config DIR]")
        formatter.write_usage(ctx.command_path, "new mount|network NAME [DIR]")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both are in the usage."""


@click.group("plugins", cls=KindsGroup, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Show the kinds of mounts and networks that definitions may use and where each comes from; with NAME, what can be
    written of one. With --json, for programs.

    `new` writes a project for a kind of your own, with a test that passes: in DIR, by default below the current folder.
    """


@command.command(LIST)
@click.argument("name", default="", shell_complete=complete_kinds)
@click.option("--json", "as_json", is_flag=True, help="For programs, with the JSON Schema of each kind's options.")
@config_option
def list_plugins(name: str, as_json: bool, config: str) -> int:
    """Show which kinds there are, or what can be written of one."""
    # Here, since completion in a shell loads this module too.
    from orchestrator.cli.table import print_table
    from orchestrator.core.kinds import HEADERS, list_kinds, write_page, write_row
    from orchestrator.core.suggest import suggest_similar
    from orchestrator.system.plugins import load_plugins

    plugged = load_plugins(config)
    registry = plugged.parser.registry
    pages = list_kinds(registry, name)
    for problem in () if pages and name else plugged.problems:
        warn(str(problem))
    if name and not pages:
        hint = suggest_similar(name, [page.name for page in list_kinds(registry)])
        raise NoSuchKind(f'there is no kind "{name}"{f": {hint}" if hint else ""}')
    if as_json:
        write_output(json.dumps([page.to_json() for page in pages], indent=2, ensure_ascii=False) + "\n")
    elif name:
        write_output("\n".join(map(write_page, pages)))
    else:
        print_table(HEADERS, [write_row(page) for page in pages])
    return FAILED if name and all(page.reason for page in pages) else 0


@command.command(NEW)
@click.argument("kind", metavar="mount|network", type=click.Choice(["mount", "network"]))
@click.argument("name")
@click.argument("folder", metavar="[DIR]", default="", shell_complete=complete_files)
def write_new(kind: str, name: str, folder: str) -> None:
    """Write a project for a plugin with a kind called NAME, and a test of it that passes."""
    from orchestrator.core.project import name_project
    from orchestrator.system.project import write_project

    names = name_project(kind, name)
    if isinstance(names, str):
        raise click.UsageError(names, click.get_current_context())
    path = make_absolute(folder or names.distribution)
    files = write_project(names, path)
    write_output(f"{path}: {', '.join(files)}\n\n    cd {path} && python3 -m pytest\n    pip install {path}\n")
