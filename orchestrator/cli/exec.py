"""`orchestrator exec`: a further command in a container that runs; needs no agent. Floor: cli."""

import os
from collections.abc import Mapping
from typing import TypeVar

import click

from orchestrator.cli.errors import warn
from orchestrator.cli.names import complete_names
from orchestrator.cli.settings import default_state, layout_of, run_option
from orchestrator.core.exec_process import FAILED, Wanted, make_exec_process
from orchestrator.core.suggest import complete_hint, suggest_similar
from orchestrator.core.users import Account, find_account
from orchestrator.core.values import parse_absolute_path, parse_duration, parse_env_name, parse_user
from orchestrator.model.layout import Layout
from orchestrator.model.problem import Fault
from orchestrator.ports import OutsideError, UnknownName, single_errors

T = TypeVar("T")


def take_time_limit(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A click callback: a duration as definitions have it, in seconds."""
    return None if value is None else _usable(parse_duration(value), ctx, param)


def take_folder(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A click callback: an absolute path inside."""
    return None if value is None else _usable(parse_absolute_path(value), ctx, param)


def take_user(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A click callback: a user as definitions have it."""
    return None if value is None else _usable(parse_user(value), ctx, param)


def take_variables(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Mapping[str, str]:
    """A click callback: ``NAME=VALUE``, each of which may be given again."""
    variables: dict[str, str] = {}
    for each in value:
        name, separator, text = each.partition("=")
        if not separator:
            raise click.BadParameter(f'"{each}" is not NAME=VALUE', ctx, param)
        variables[_usable(parse_env_name(name), ctx, param)] = text
    return variables


@click.command("exec")
@click.argument("name", shell_complete=complete_names)
@click.argument("words", metavar="-- CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("-i", "--interactive", is_flag=True, help="Hand on standard input; else the command reads nothing.")
@click.option("-t", "--tty", is_flag=True, help="Give it a terminal, as standard input must be one.")
@click.option("--timeout", metavar="DURATION", callback=take_time_limit, help="End it after so long: exit code 124.")
@click.option("-u", "--user", metavar="USER", callback=take_user, help="As a definition has it. Default: its own.")
@click.option("-w", "--workdir", metavar="DIR", callback=take_folder, help="The working directory. Default: its own.")
@click.option(
    "-e", "--env", "variables", metavar="NAME=VALUE", multiple=True, callback=take_variables, help="A variable more."
)
@run_option
def command(
    name: str,
    words: tuple[str, ...],
    interactive: bool,
    tty: bool,
    timeout: float | None,
    user: str | None,
    workdir: str | None,
    variables: Mapping[str, str],
    run: str,
) -> int:
    """Run a command in the container NAME, as its own user and with its variables and rights. Needs no agent.

    The exit code is the command's, 128 and the number for one that a signal ended; 124 after --timeout, 125 if it was
    not run, 126 if it cannot be run, 127 if it is not there.
    """
    try:
        return _run(
            layout_of(default_state(), run),
            name,
            words,
            interactive=interactive,
            tty=tty,
            timeout=timeout,
            user=user,
            workdir=workdir,
            variables=variables,
        )
    except (OutsideError, ExceptionGroup) as error:
        failures = list(single_errors(error))
        if not all(isinstance(failure, OutsideError) for failure in failures):
            raise
        for failure in failures:
            warn(_explain(failure))
        return max((getattr(failure, "code", FAILED) for failure in failures), default=FAILED)


def _run(
    layout: Layout,
    name: str,
    words: tuple[str, ...],
    *,
    interactive: bool,
    tty: bool,
    timeout: float | None,
    user: str | None,
    workdir: str | None,
    variables: Mapping[str, str],
) -> int:
    """Raises OutsideError, perhaps in a group."""
    # Here, since completion in a shell loads this module too, and waits for nothing of this.
    import trio

    from orchestrator.system.console import read_size
    from orchestrator.system.exec import find_container, run_inside
    from orchestrator.system.exec_begin import ExecFailed
    from orchestrator.system.strays import make_mark

    size = read_size(0)
    if tty and size is None:
        raise ExecFailed("standard input is not a terminal: leave -t away")
    container = find_container(layout, name)
    wanted = Wanted(
        args=words,
        account=None if user is None else _find_account(user, container.pid),
        cwd=workdir,
        env=variables,
        terminal=size if tty else None,
        terminal_kind=os.environ.get("TERM", ""),
        mark=make_mark(),
    )
    process = make_exec_process(container.process, wanted)
    return trio.run(lambda: run_inside(container, process, interactive=interactive, time_limit=timeout))


def _find_account(user: str, pid: int) -> Account:
    """A user of the root file system that a process sees. Raises ExecFailed."""
    from orchestrator.system.exec_begin import ExecFailed
    from orchestrator.system.facts import read_text

    passwd, group = (read_text(path, f"/proc/{pid}/root") for path in ("/etc/passwd", "/etc/group"))
    account = find_account(user, passwd, group)
    if isinstance(account, Fault):
        raise ExecFailed(_describe_fault(account))
    return account


def _explain(failure: BaseException) -> str:
    hint = suggest_similar(failure.name, failure.known) if isinstance(failure, UnknownName) else ""
    return f"{failure} ({hint})" if hint else str(failure)


def _describe_fault(fault: Fault) -> str:
    hint = complete_hint(fault)
    return f"{fault.message} ({hint})" if hint else fault.message


def _usable(result: T | Fault, ctx: click.Context, param: click.Parameter) -> T:
    if isinstance(result, Fault):
        raise click.BadParameter(_describe_fault(result), ctx, param)
    return result
