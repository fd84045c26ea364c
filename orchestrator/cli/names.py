"""Completion in a shell of containers' names, by what the run directory tells (and the definitions where that is not
all), of signals', of generations' and of files'.

Loads nothing that is slow to load, since someone waits with a finger on the tab key. Floor: cli.
"""

import contextlib
import os
import signal

import click
from click.shell_completion import CompletionItem

from orchestrator.cli.settings import default_config, default_run, default_state
from orchestrator.model.layout import Layout
from orchestrator.model.pluginfile import FOLDER, PROGRAMS
from orchestrator.model.registry import Group


def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The containers that the agent knows; for click's ``shell_complete=``."""
    return _offer(_list_states(ctx), ctx, param, incomplete)


def complete_definitions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The containers that the agent knows and those that are defined: for a verb that can say or do something about a
    definition that the agent has not seen yet."""
    return _offer(_list_states(ctx) | _list_definitions(ctx), ctx, param, incomplete)


def complete_signals(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Signals by name; those that begin so without their prefix too."""
    wanted = incomplete.upper()
    names = [name for name in signal.Signals.__members__ if name.startswith((wanted, f"SIG{wanted}"))]
    return [CompletionItem(name) for name in names]


def complete_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What the shell itself offers for a path."""
    return [CompletionItem(incomplete, type="file")]


def complete_kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The kinds of mounts and networks that are installed or are a program each, and the word for a new one; no plugin
    is loaded."""
    from importlib.metadata import entry_points

    names = {entry.name for group in Group for entry in entry_points(group=group.value)}
    programs = _list_folder(f"{_find_config(ctx)}/{FOLDER}", PROGRAMS)
    return _offer({*names, *programs, "new"}, ctx, param, incomplete)


def complete_generations(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The numbers of the generations, the newest first."""
    layout = Layout(ctx.params.get("state") or os.environ.get("ORCHESTRATOR_STATE") or default_state(), "")
    numbers = sorted((name for name in _list_folder(layout.generations, (".jsonl",)) if name.isdigit()), key=int)
    return [CompletionItem(number) for number in reversed(numbers) if number.startswith(incomplete)]


def _offer(names: set[str], ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Those that fit and do not stand on the line already."""
    written = ctx.params.get(param.name or "")
    left = names - set(written if isinstance(written, tuple) else ())
    return [CompletionItem(name) for name in sorted(left) if name.startswith(incomplete)]


def _list_states(ctx: click.Context) -> set[str]:
    with contextlib.suppress(click.UsageError):  # no run directory is known
        run = ctx.params.get("run") or os.environ.get("ORCHESTRATOR_RUN") or default_run()
        return _list_folder(Layout("", run).names, (".json",))
    return set()


def _list_definitions(ctx: click.Context) -> set[str]:
    return _list_folder(_find_config(ctx), (".toml", ".json"))


def _find_config(ctx: click.Context) -> str:
    return ctx.params.get("config") or os.environ.get("ORCHESTRATOR_CONFIG") or default_config()


def _list_folder(folder: str, suffixes: tuple[str, ...]) -> set[str]:
    """The names of a folder's files without their suffix; none of one that cannot be read: a shell shows no errors."""
    with contextlib.suppress(OSError):
        files = [file for file in os.listdir(folder) if file.endswith(suffixes) and not file.startswith(".")]
        return {file.rpartition(".")[0] for file in files}
    return set()
