"""A problem as a person reads it: the message, the line of the file and a mark below the place. Floor: core."""

from orchestrator.model.problem import Problem

_WIDEST = 160
"""Characters of a line that are shown at most."""


def show_problem(problem: Problem, text: str | None) -> str:
    """The message with its place, the offending line with a caret under it, and the hint on a line of its own.

    ``text`` is that of the file, None where it cannot be read.
    """
    head = f"{problem.file}:{problem.line}:{problem.column}: "
    head += f"{problem.path}: {problem.message}" if problem.path else problem.message
    lines = [_visible(head)]
    source = text.split("\n") if text is not None else []
    if 0 < problem.line <= len(source) and source[problem.line - 1].strip():
        line = source[problem.line - 1].rstrip("\r")
        start = 0 if problem.column <= _WIDEST - 20 else problem.column - _WIDEST // 2
        shown = "".join(character if character.isprintable() else " " for character in line[start : start + _WIDEST])
        number = str(problem.line)
        lines.append(f"  {number} | {shown}")
        lines.append(f"  {' ' * len(number)} | {' ' * (problem.column - 1 - start)}^")
    if problem.hint:
        lines.append(f"  {_visible(problem.hint)}")
    return "\n".join(lines)


def _visible(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
