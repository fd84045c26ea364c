"""`orchestrator completion`: the script that teaches a shell to complete the command line. Floor: cli."""

import click
from click.shell_completion import get_completion_class

from orchestrator.cli.errors import write_output
from orchestrator.cli.main import group

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "orchestrator"
VARIABLE = "_ORCHESTRATOR_COMPLETE"
"""What the script calls the program with, as click has it."""


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that completes verbs, options and names of containers in a shell.

    For bash: `eval "$(orchestrator completion bash)"` in ~/.bashrc; for zsh the same with zsh, in ~/.zshrc; for fish:
    `orchestrator completion fish > ~/.config/fish/completions/orchestrator.fish`.
    """
    write_output(make_script(shell))


def make_script(shell: str) -> str:
    """The script for one of SHELLS. Which shell is installed, if any, makes no difference."""
    kind = get_completion_class(shell)
    assert kind is not None, "click knows all of SHELLS"
    completion = kind(group, {}, PROGRAM, VARIABLE)
    return f"{(completion.source_template % completion.source_vars()).strip()}\n"
