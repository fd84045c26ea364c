"""A look at the file system in steps, each named before it is taken, since it may never end.

What is done about one that does not is for `looks`. Without trio, so that commands that only read are quick. Floor:
system.
"""

import errno
from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[str, None, T]
"""A look: yields each absolute path, without links, before it touches what is there, and an empty text before it
changes anything of its caller's; NoAnswer is raised at the yield where the path is known to be silent."""


class NoAnswer(OSError):
    """A path lies on a file system that hangs. An OSError, so that who handles those handles this too."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.ETIMEDOUT, "it does not answer", path)


def finish(steps: Steps[T]) -> T:
    """Take all steps of a look here and now, however long each takes."""
    try:
        while True:
            next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
