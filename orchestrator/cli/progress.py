"""How far long work has come, for someone who waits at a terminal; nothing elsewhere. Floor: cli."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[int], None]
"""Takes how many are done."""


@contextmanager
def show_progress(what: str, total: int) -> Iterator[Tell | None]:
    """A line at the bottom of the terminal, on standard error, while the block runs. what: ``"stopping"``.

    None where nothing is shown: standard error is no terminal, or there is only one thing to wait for."""
    if total < 2 or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # 40 ms, for people only
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # What is written to standard output goes above the line, if it goes to the terminal at all.
    progress = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())
    with progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
