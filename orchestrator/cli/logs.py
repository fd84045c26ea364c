"""`orchestrator logs`: what applications have written, and with ``-f`` what they write from now on.

Reads the log files, or asks the journal for those that write there (`orchestrator.cli.logprint`); needs no agent.
Floor: cli.
"""

import click

from orchestrator.cli.names import complete_names
from orchestrator.cli.settings import layout_of, optional_run_option, since_option, state_option

DEFAULT_LINES = 100


def take_lines(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    """A click callback: a number of lines, or ``all``, as it is, or None where nothing is said."""
    if value is None or value == "all":
        return value
    if value.isascii() and value.isdigit():
        return int(value)
    raise click.BadParameter(f'"{value}" is neither a number of lines nor "all"', ctx, param)


@click.command("logs")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
@click.option("--all", "every", is_flag=True, help="The logs of all containers.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option(
    "-n",
    "--lines",
    metavar="N|all",
    callback=take_lines,
    show_default=f"{DEFAULT_LINES}; with --since and --previous all",
    help="How many of the last lines to begin with.",
)
@since_option
@click.option("--previous", is_flag=True, help="What the instance before the last one has written.")
@state_option
@optional_run_option
def command(
    names: tuple[str, ...],
    every: bool,
    follow: bool,
    lines: int | str | None,
    since: float | None,
    previous: bool,
    state: str,
    run: str | None,
) -> int:
    """Show what the containers NAME have written to their outputs. Of several, each line begins with the name.

    When a line was written is known to a few seconds only, so --since may begin a little earlier.
    """
    # Here, since completion in a shell loads this module too, and waits for nothing of this.
    from orchestrator.cli.logprint import View, list_all, print_logs

    if bool(names) == every:
        raise click.UsageError("name one or more containers, or give --all")
    if previous and (follow or since is not None):
        raise click.UsageError("--previous is of an instance that has ended: not with --follow, not with --since")
    layout = layout_of(state, run or "")
    if lines is None:
        count = None if previous or since is not None else DEFAULT_LINES
    else:
        count = None if isinstance(lines, str) else lines
    view = View(lines=count, since=since, previous=previous, follow=follow)
    return print_logs(layout, list_all(layout) if every else list(dict.fromkeys(names)), view, every=every)
