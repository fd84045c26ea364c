"""The command `orchestrator`: its verbs, each loaded only when it is used. What they do is left to their own modules.

Floor: cli.
"""

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from orchestrator.cli.errors import guard, keep_from_click

VERBS: Mapping[str, str] = {
    "run": "Run the containers of a directory of definitions and follow its edits.",
    "check": "Say what is wrong with definitions; needs no agent and no root.",
    "plan": "Show what the agent would do about each container, and why.",
    "build": "Make the OCI bundle of one definition.",
    "status": "Show how the containers are; needs no agent.",
    "logs": "Show what a container's application has written.",
    "events": "Show what has happened to the containers; needs no agent.",
    "show": "Show a container's definition, spec or config as JSON.",
    "history": "Show the states of the directory that were accepted; needs no agent.",
    "diff": "Show how two of them differ; needs no agent.",
    "rollback": "Follow an earlier one instead of the directory, or the directory again.",
    "exec": "Run a command in a container that runs; needs no agent.",
    "start": "Start containers, also those that were stopped.",
    "stop": "Stop containers; they stay so until they are started.",
    "restart": "Stop containers and start them again.",
    "kill": "Send a signal to the first process of a container.",
    "shutdown": "Stop all containers, then the agent.",
    "volumes": "Show the volumes, or remove those that nobody uses; needs no agent.",
    "schema": "Print the JSON Schema of definitions, or their reference page.",
    "plugins": "Show the kinds of mounts and networks there are, or begin one of your own.",
    "completion": "Print the script that completes the command line in a shell.",
    "doctor": "Say what of this host the agent can use, and how to mend what it cannot.",
}
"""Each verb and its line of help. ``orchestrator/cli/VERB.py`` has the click command, named ``command``."""


class LazyGroup(click.Group):
    """A group that loads a verb's module when the verb is used: `status` must not wait for what `run` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"orchestrator.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            from orchestrator.core.suggest import suggest_similar

            hint = suggest_similar(args[0], VERBS)
            ctx.fail(f'there is no command "{args[0]}"{f": {hint}" if hint else ""}')
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """From the table, so that completion loads no verb but the one that is written."""
        verbs = [CompletionItem(verb, help=line) for verb, line in VERBS.items() if verb.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - as click has it
    ) -> click.Context:
        with keep_from_click():  # --version and --help write already here
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with keep_from_click():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, so that help loads no verb."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    help="Run single applications as OCI containers from a directory of declarative definitions.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="oci-orchestrator", message="%(prog)s %(version)s")
@click.pass_context
def group(context: click.Context) -> None:
    """What all verbs have in common: nothing but the name. Without a verb, help (and wrong usage)."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: that of the process) and return the exit code: 0 done, 1 it could not be done or
    problems were found, 2 wrong usage, 70 a bug of ours, 130 interrupted, 141 nobody reads the output any more."""
    words = None if arguments is None else list(arguments)
    with warnings.catch_warnings():
        # An interrupt may come between the making of a coroutine and its first step, which is nobody's mistake.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        return guard(lambda: group.main(args=words, prog_name="orchestrator", standalone_mode=False))
