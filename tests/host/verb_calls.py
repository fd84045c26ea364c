"""Calls of the command line's verbs, each with what it is to end with and to say; the tables are in the test files."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

import click
from attrs import frozen

from orchestrator.cli.main import VERBS
from tests.host.agent_process import PATIENCE, orchestrator

STRANGER = """
import contextlib, io, json, os, sys
from orchestrator import agent  # it is loaded late, and so is what it needs
from orchestrator.cli import main
# What a stranger may not read is loaded before, where the installation is below /root.
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    for words in json.loads(sys.argv[1]):
        main(words)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(sys.argv[2:]))
"""
"""The program run by somebody without any rights. Its first argument are command lines to be run before, as root."""


@frozen
class Places:
    """Where a call is to look: three directories, and a folder of definitions' files and of other things to make."""

    config: Path
    state: Path
    run: Path
    scratch: Path

    @classmethod
    def below(cls, base: Path) -> "Places":
        """As `AgentProcess` has them, and a folder beside them; nothing is made."""
        return cls(base / "config", base / "state", base / "run", base / "scratch")

    @property
    def environ(self) -> dict[str, str]:
        """The directories as variables."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")}
        given = {"CONFIG": self.config, "STATE": self.state, "RUN": self.run}
        return {**others, **{f"ORCHESTRATOR_{name}": str(path) for name, path in given.items()}}

    def fill(self, text: str, **more: object) -> str:
        """A text with the directories for ``{config}``, ``{state}``, ``{run}`` and ``{scratch}``."""
        return text.format(config=self.config, state=self.state, run=self.run, scratch=self.scratch, **more)


NOWHERE = Places.below(Path("/nowhere"))


@frozen
class Row:
    """One call: its words, its exit code, and what it says on stderr, a line each: as it is, or as a pattern."""

    words: str
    code: int = 0
    said: str | re.Pattern[str] = ""

    @property
    def verb(self) -> str:
        return self.words.split()[0]

    def __str__(self) -> str:
        return self.words


def verbs_of(rows: Iterable[Row]) -> set[str]:
    """The verbs that stand in a table."""
    return {row.verb for row in rows}


def load_command(verb: str) -> click.Command:
    """The click command of a verb."""
    command: click.Command = import_module(f"orchestrator.cli.{verb}").command
    return command


def verbs_with(*parameters: str) -> set[str]:
    """The verbs that have one of these parameters."""
    return {verb for verb in VERBS if {param.name for param in load_command(verb).params} & set(parameters)}


def call(places: Places, row: Row, program: Sequence[str] = (orchestrator(),)) -> subprocess.CompletedProcess[str]:
    """The program as root, with these directories in its environment."""
    return run_program([*program, *_words_of(row, places)], places)


def call_as_stranger(places: Places, row: Row, nowhere: Path) -> subprocess.CompletedProcess[str]:
    """The program as nobody. nowhere: a folder for what is run before, with no directories in it."""
    before = _words_of(row, Places.below(nowhere)) + options_of(row.verb, Places.below(nowhere))
    # An agent that runs before would be one more; all that it loads late is loaded already.
    early = json.dumps([] if row.verb == "run" else [before])
    return run_program([sys.executable, "-c", STRANGER, early, *_words_of(row, places)], places)


def options_of(verb: str, places: Places) -> list[str]:
    """The directories as the options that a verb has for them."""
    given = {"config": places.config, "state": places.state, "run": places.run}
    names = [option for param in load_command(verb).params for option in param.opts]
    found = {f"--{name}": path for name, path in given.items() if f"--{name}" in names}
    if verb == "show":  # its --config is another
        found["--config-dir"] = found.pop("--config")
    return [word for name, path in found.items() for word in (name, str(path))]


def check_call(done: subprocess.CompletedProcess[str], row: Row, places: Places = NOWHERE, **more: object) -> None:
    """Whether a call ended as its row says; what is not said is that there is no traceback, and that JSON is JSON."""
    assert done.returncode == row.code, done
    assert "Traceback" not in done.stderr + done.stdout
    if isinstance(row.said, str):
        lines = "".join(f"orchestrator: {line}\n" for line in places.fill(row.said, **more).splitlines())
        assert done.stderr == lines
    else:
        assert row.said.fullmatch(done.stderr), done.stderr
    if "--json" in row.words.split():
        for text in done.stdout.splitlines() if row.verb == "events" else [done.stdout] if done.stdout else []:
            json.loads(text)


def run_program(words: Sequence[str], places: Places) -> subprocess.CompletedProcess[str]:
    """A command line with these directories in its environment."""
    return subprocess.run(
        words,
        env=places.environ,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def _words_of(row: Row, places: Places) -> list[str]:
    return places.fill(row.words).split()
