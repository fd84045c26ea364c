"""A problem as a person reads it: the message, the line of the file and a mark below the place.

What an environment variable says may be a password, and what is shown may stand in a terminal's history or in a report
for others, so the excerpt of such a line ends with the variable's name. Floor: core.
"""

import re

from orchestrator.model.problem import Problem

_WIDEST = 160
"""Characters of a line that are shown at most."""

HIDDEN = "…"
"""Stands in the place of a value that is not shown."""

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')"""
_UP_TO_VALUE = re.compile(rf"[\s{{,]*{_KEY}(?:\s*\.\s*{_KEY})*\s*[=:]\s*")
_HEADER = re.compile(rf"\s*\[\s*({_KEY})(?:\s*\.\s*{_KEY})*\s*\]")
_ENV = re.compile(r"""\s*(?:env|"env"|'env')\s*[.=:]""")


def show_problem(problem: Problem, text: str | None) -> str:
    """The message with its place, the offending line with a caret under it, and the hint on a line of its own.

    ``text`` is that of the file, None where it cannot be read.
    """
    head = f"{problem.file}:{problem.line}:{problem.column}: "
    head += f"{problem.path}: {problem.message}" if problem.path else problem.message
    lines = [_visible(head)]
    source = text.split("\n") if text is not None else []
    if 0 < problem.line <= len(source) and source[problem.line - 1].strip():
        line, column = source[problem.line - 1].rstrip("\r"), problem.column
        if _is_private(problem.path, source[: problem.line]):
            line = _hide_value(line)
            column = min(column, len(line))
        start = 0 if column <= _WIDEST - 20 else column - _WIDEST // 2
        shown = "".join(character if character.isprintable() else " " for character in line[start : start + _WIDEST])
        number = str(problem.line)
        lines.append(f"  {number} | {shown}")
        lines.append(f"  {' ' * len(number)} | {' ' * (column - 1 - start)}^")
    if problem.hint:
        lines.append(f"  {_visible(problem.hint)}")
    return "\n".join(lines)


def _is_private(path: str, lines: list[str]) -> bool:
    """Whether the last of the lines may have what variables say. A problem of the file's syntax has no path: then it
    is that of the table whose header stands above."""
    if path:
        return path == "env" or path.startswith(("env.", "env["))
    header = next((found for line in reversed(lines) if (found := _HEADER.match(line))), None)
    return (header is not None and header[1].strip("\"'") == "env") or _ENV.match(lines[-1]) is not None


def _hide_value(line: str) -> str:
    """The line up to its first value. A line without a key is a header, which has none, or a value itself."""
    if header := _HEADER.fullmatch(line.partition("#")[0].rstrip()):
        return header[0]
    key = _UP_TO_VALUE.match(line)
    return f"{key[0] if key else ''}{HIDDEN}"


def _visible(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
