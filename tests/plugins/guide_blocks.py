"""The blocks of the author's guide that are to be tried: files that are written, and commands with what they print."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# (\S+\.\w+)\n")
_GAP = re.compile(r"(?<=\S) {2,}")
ANY = "…"
"""A line of it alone stands for any lines, and in a line for any text."""


@frozen
class Block:
    """A block: a file where it begins with the name of one, or commands."""

    language: str
    text: str

    @property
    def file(self) -> str:
        """Its path in the project; empty for another block."""
        match = _FILE.match(self.text)
        return match[1] if match and self.language != "console" else ""

    def list_commands(self) -> Iterator[tuple[str, str]]:
        """Each command with what it prints."""
        for each in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = each.partition("\n")
            yield command, output


def find_section(guide: str, heading: str) -> str:
    """The text below a heading of the second level."""
    return guide.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def find_blocks(text: str) -> list[Block]:
    return [Block(*each) for each in _BLOCK.findall(text)]


def try_blocks(blocks: list[Block], folder: Path, environ: Mapping[str, str], *, skip: tuple[str, ...] = ()) -> int:
    """Write the files and run the commands of blocks, in their order; how many commands ran. skip: those that begin
    so, and all of their block after them."""
    ran = 0
    for block in blocks:
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        for command, expected in block.list_commands() if block.language == "console" else ():
            if command.startswith(skip) and skip:
                break
            shell = ["bash", "-c", command]
            done = subprocess.run(shell, cwd=folder, env=environ, capture_output=True, text=True, check=False)
            said = f"$ {command}\n{done.stdout}{done.stderr}"
            assert done.returncode == (1 if "problem" in done.stdout and "check" in command else 0), said
            assert matches(expected, done.stdout), f"{said}\nexpected:\n{expected}"
            ran += 1
    return ran


def matches(expected: str, printed: str) -> bool:
    """Whether a command has printed what the guide says. How wide the columns of a table are says nothing."""
    expected, printed = (_GAP.sub("  ", text) for text in (expected, printed))
    pattern = "".join(
        "(?:.*\n)*?" if line == f"{ANY}\n" else re.escape(line).replace(ANY, ".*")
        for line in expected.splitlines(keepends=True)
    )
    return re.fullmatch(pattern, printed) is not None
