"""`orchestrator doctor`: whether this host has what the agent needs, and how to mend what it has not. Needs no agent.

Floor: cli.
"""

import json
import sys
from collections.abc import Sequence

import click
from attrs import asdict

from orchestrator import __version__
from orchestrator.cli.errors import FAILED, one_line, write_output
from orchestrator.cli.settings import layout_of, run_option, runtime_option, state_option
from orchestrator.core.doctor import is_well, judge_checkup
from orchestrator.model.checkup import Finding, Level
from orchestrator.system.doctor import look_around

STYLES = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.ERROR: "bold red"}
"""The colour of a level on a terminal."""


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")
@runtime_option
@run_option
@state_option
def command(runtime: str, run: str, state: str, as_json: bool) -> int:
    """Say what of this host the agent can use, what it cannot, and how to mend that. Needs no agent; without root it
    does not see all."""
    findings = judge_checkup(look_around(layout_of(state, run), runtime, __version__))
    if as_json:
        write_output(json.dumps([finding_to_json(finding) for finding in findings], indent=2) + "\n")
    elif sys.stdout.isatty():
        _print_rich(findings)
    else:
        write_output("".join(f"{line}\n" for line, _ in format_findings(findings)))
    return 0 if is_well(findings) else FAILED


def finding_to_json(finding: Finding) -> dict[str, str]:
    """The documented object: ``subject``, ``level`` (ok, note, warning, error), ``found``, ``means``, ``mend``; the
    last two are empty where there is nothing to say."""
    return {**asdict(finding), "level": finding.level.value}


def format_findings(findings: Sequence[Finding]) -> list[tuple[str, Level | None]]:
    """The lines, each with the level that it is the first of: subjects as headings, then level and what was found, and
    below it what that means and how to mend it."""
    lines: list[tuple[str, Level | None]] = []
    width = max(len(level.value) for level in Level)
    for finding, before in zip(findings, (None, *findings), strict=False):
        if before is None or before.subject != finding.subject:
            lines.append((finding.subject, None))
        lines.append((f"  {finding.level.value:{width}}  {one_line(finding.found)}", finding.level))
        if finding.means:
            lines.append((f"  {'':{width}}  {one_line(finding.means)}", None))
        if finding.mend:
            lines.append((f"  {'':{width}}  mend: {one_line(finding.mend)}", None))
    errors = sum(finding.level is Level.ERROR for finding in findings)
    warnings = sum(finding.level is Level.WARNING for finding in findings)
    return [*lines, ("", None), (f"{_count(errors, 'error')}, {_count(warnings, 'warning')}", None)]


def _print_rich(findings: Sequence[Finding]) -> None:
    from rich.console import Console  # 40 ms, for people only
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    with console.capture() as capture:
        for line, level in format_findings(findings):
            text = Text(line)
            if level is not None:
                text.stylize(STYLES[level], 2, 2 + len(level.value))
            elif line.startswith(" "):
                text.stylize("dim")
            else:
                text.stylize("bold")
            console.print(text)
    write_output(capture.get())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
