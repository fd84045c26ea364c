"""The options that several commands have, each with its environment variable and its default for root and for others.

Floor: cli.
"""

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from orchestrator.model.layout import Layout

Command = TypeVar("Command", bound=Callable[..., Any])


def take_path(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """A click callback: the path made absolute. Links in it stay, since it is the chain of them that is followed."""
    if not value:
        raise click.BadParameter("the path is empty", ctx, param)
    return make_absolute(value)


def take_path_if_any(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A click callback: as `take_path`; None where there is no default."""
    return None if value is None else take_path(ctx, param, value)


def take_runtime(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """A click callback: ``auto``, the name of a runtime, or (with a slash) its path, made absolute."""
    if not value:
        raise click.BadParameter("the name is empty", ctx, param)
    return make_absolute(value) if "/" in value else value


def take_when(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A click callback: a moment as `orchestrator.core.when` reads it, in epoch seconds."""
    if value is None:
        return None
    from orchestrator.core.when import parse_when
    from orchestrator.model.problem import Fault

    moment = parse_when(value, time.time(), lambda at: time.localtime(at).tm_gmtoff)
    if isinstance(moment, Fault):
        raise click.BadParameter(f"{moment.message} ({moment.hint})", ctx, param)
    return moment


def make_absolute(path: str) -> str:
    """The same path from the root. ``..`` is not taken away against the name before it, which may be a link."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/"):
        return "/" + "/".join(parts)
    here = os.getcwd()  # has no link in it, so that a ``..`` at the beginning is taken away rightly
    while parts[:1] == [".."]:
        here, parts = os.path.dirname(here), parts[1:]
    return "/".join((here.rstrip("/"), *parts)) or "/"


def default_config() -> str:
    """/etc/orchestrator, for others than root $XDG_CONFIG_HOME/orchestrator."""
    return "/etc/orchestrator" if _is_root() else _below_home("XDG_CONFIG_HOME", ".config")


def default_state() -> str:
    """/var/lib/orchestrator, for others than root $XDG_STATE_HOME/orchestrator."""
    return "/var/lib/orchestrator" if _is_root() else _below_home("XDG_STATE_HOME", ".local/state")


def default_run() -> str:
    """/run/orchestrator, for others than root $XDG_RUNTIME_DIR/orchestrator. Raises click.UsageError without one."""
    if _is_root():
        return "/run/orchestrator"
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if not base.startswith("/"):
        raise click.UsageError("there is no run directory: set XDG_RUNTIME_DIR or give --run DIR")
    return f"{base.rstrip('/')}/orchestrator"


def default_run_if_any() -> str | None:
    """As `default_run`; None where others than root have none."""
    try:
        return default_run()
    except click.UsageError:
        return None


def layout_of(state: str, run: str) -> Layout:
    """Where everything lies, from two absolute paths."""
    return Layout(state=state, run=run)


def config_option(command: Command) -> Command:
    """``--config DIR``, the watched directory: parameter ``config``."""
    return _path_option("--config", default_config, "The directory of definitions.", "/etc/orchestrator")(command)


def state_option(command: Command) -> Command:
    """``--state DIR``, what lasts: parameter ``state``."""
    return _path_option("--state", default_state, "Where what lasts is kept.", "/var/lib/orchestrator")(command)


def run_option(command: Command) -> Command:
    """``--run DIR``, what does not outlive a boot: parameter ``run``."""
    return _path_option("--run", default_run, "Where what ends with a boot is kept.", "/run/orchestrator")(command)


def optional_run_option(command: Command) -> Command:
    """``--run DIR`` of a command that does without: parameter ``run``, None where there is none."""
    text = "Where the states of the containers are looked up."
    return _path_option("--run", default_run_if_any, text, "/run/orchestrator", take_path_if_any)(command)


def runtime_option(command: Command) -> Command:
    """``--runtime R``: parameter ``runtime``."""
    return click.option(
        "--runtime",
        metavar="auto|NAME|PATH",
        callback=take_runtime,
        envvar="ORCHESTRATOR_RUNTIME",
        default="auto",
        show_default=True,
        show_envvar=True,
        help="The OCI runtime; auto takes the first of crun, runc and youki that works.",
    )(command)


def since_option(command: Command) -> Command:
    """``--since WHEN``: parameter ``since``, epoch seconds or None."""
    return click.option(
        "--since",
        metavar="WHEN",
        callback=take_when,
        help="Only what is not older: 10m, 12:30, 2026-01-31 or 2026-01-31T12:30:00Z.",
    )(command)


def _path_option(
    name: str, default: Callable[[], str | None], text: str, shown: str, take: Callable[..., str | None] = take_path
) -> Callable[[Command], Command]:
    return click.option(
        name,
        metavar="DIR",
        callback=take,
        envvar=f"ORCHESTRATOR_{name.removeprefix('--').upper()}",
        default=default,
        show_default=f"{shown}; without root by the XDG directories",
        show_envvar=True,
        help=text,
    )


def _is_root() -> bool:
    return os.geteuid() == 0


def _below_home(variable: str, fallback: str) -> str:
    """A relative path in the variable is not valid and ignored, as the XDG base directory specification says."""
    base = os.environ.get(variable, "")
    if not base.startswith("/"):
        base = f"{os.path.expanduser('~')}/{fallback}"
    return f"{base.rstrip('/')}/orchestrator"


def wanted_runtime() -> str:
    """The base name of the runtime that ORCHESTRATOR_RUNTIME names, for what is checked without an agent; empty where
    it names none."""
    wanted = os.environ.get("ORCHESTRATOR_RUNTIME", "auto")
    return "" if wanted == "auto" else os.path.basename(wanted)
