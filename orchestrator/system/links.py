"""The way to a path, link by link: which entry of which folder decides where the path leads.

`/etc/orchestrator` may be a link to a link into a store; whoever wants to know when such a path changes must look at
every entry on the way. What is then watched is for `watches`. Floor: system.
"""

import errno
import os
import stat
from enum import Enum

from attrs import frozen

from orchestrator.system.steps import Steps, finish

MAX_LINKS = 40
"""As many links as the kernel follows in one path (path_resolution(7))."""


class StepKind(Enum):
    """What stands at a step of the way."""

    FOLDER = "folder"
    LINK = "link"
    FILE = "file"
    """Anything else that exists."""
    BARRED = "barred"
    """It could not be looked at: missing, no rights, no answer, the step before is no folder. ``Chain.errno`` says
    which."""


@frozen
class Step:
    """One entry on the way: ``name`` in ``folder``, an absolute path without links."""

    folder: str
    name: str
    kind: StepKind

    @property
    def path(self) -> str:
        """The entry itself."""
        return os.path.join(self.folder, self.name)


@frozen
class Chain:
    """The whole way. ``end`` is the path without links, None where the way is barred; ``errno`` (errno(3)) says why,
    0 where it is not."""

    steps: tuple[Step, ...]
    end: str | None
    errno: int = 0

    @property
    def place(self) -> str:
        """The last entry that was come to, however that was."""
        return self.end if self.end is not None else self.steps[-1].path


def walk_links(path: str) -> Chain:
    """Walk an absolute path as path_resolution(7) does, and note each step. Never raises for what is on the disk, and
    never returns where that hangs."""
    return finish(follow_links(path))


def follow_links(path: str) -> Steps[Chain]:
    """The steps of `walk_links`. What is silent bars the way, with ETIMEDOUT."""
    current = "/"
    pending = path.split("/")[::-1]
    steps: list[Step] = []
    links = 0
    while pending:
        name = pending.pop()
        beyond_file = bool(steps) and steps[-1].kind is StepKind.FILE  # where even "." is refused, by lstat below
        if name in ("", ".") and not beyond_file:
            continue
        if name == ".." and not beyond_file:
            current = os.path.dirname(current)
            continue
        entry = os.path.join(current, name)
        try:
            yield entry
            mode = os.lstat(entry).st_mode
            target = os.readlink(entry) if stat.S_ISLNK(mode) else None
        except OSError as error:
            steps.append(Step(current, name, StepKind.BARRED))
            return Chain(tuple(steps), None, error.errno or errno.EIO)
        if target is None:
            steps.append(Step(current, name, StepKind.FOLDER if stat.S_ISDIR(mode) else StepKind.FILE))
            current = entry
            continue
        steps.append(Step(current, name, StepKind.LINK))
        links += 1
        if links > MAX_LINKS:
            return Chain(tuple(steps), None, errno.ELOOP)
        if target.startswith("/"):
            current = "/"
        pending.extend(target.split("/")[::-1])
    return Chain(tuple(steps), current)
