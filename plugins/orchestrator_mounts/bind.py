"""The `bind` mount: a file or folder of the host, seen at another place inside. The default kind of mount.

Beside `orchestrator.plugin` it imports nothing of the agent. Floor: plugin.
"""

from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen

from orchestrator.plugin import (
    AbsolutePath,
    Change,
    Contribution,
    Entry,
    Facts,
    Fault,
    FileEntry,
    FolderEntry,
    Guess,
    Mount,
    PathKind,
    PathQuestion,
    Question,
    Use,
    option,
)

_CHOICES = (
    ("rbind", "bind"),
    ("rprivate", "private", "rslave", "slave", "rshared", "shared"),
    ("rw", "ro"),
)
"""Options of which one of each row holds: the first is the default."""

_FLAGS = ("nosuid", "nodev", "noexec")
"""Options that are on or off; `_ALWAYS` are on."""

_ALWAYS = ("nosuid", "nodev")

OPTIONS = (*(name for row in _CHOICES for name in row), *_FLAGS)
"""All that may be written."""


@frozen(kw_only=True)
class Bind:
    """A file or folder of the host, with what is mounted below it."""

    type: ClassVar[str] = "bind"

    source: AbsolutePath = option(
        doc="The file or folder on the host. Links are followed.",
        change=Change.REPLACE,
        example='"/srv/data"',
    )
    options: tuple[str, ...] = option(
        default=(),
        doc="As mount(8) has them: `rw` (default) or `ro`; `rbind` (default) or `bind`; `noexec`; `nosuid` and `nodev` "
        "(always on); `rprivate` (default), `private`, `rslave`, `slave`, `rshared` or `shared`.",
        change=Change.REPLACE,
        example='["ro"]',
    )

    def questions(self) -> Iterable[Question]:
        """What stands at the source?"""
        return (PathQuestion(self.source),)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """The mount, and a mount point of the source's kind."""
        faults = tuple(_find_faults(self.options))
        answer = facts.paths[self.source]
        if answer.kind is PathKind.MISSING:
            faults = (Fault(("source",), f'cannot use "{self.source}": no such file or directory'), *faults)
        elif answer.kind is PathKind.DENIED:
            faults = (Fault(("source",), f'cannot use "{self.source}": {answer.detail}'), *faults)
        if faults:
            return Contribution(faults=faults)
        folder = answer.kind is PathKind.DIRECTORY
        entry: Entry = FolderEntry(use.destination) if folder else FileEntry(use.destination)
        # Read-only also what is mounted below it: mount_setattr(2) with AT_RECURSIVE, Linux 5.12. Nothing is below a
        # file, and crun 1.8 refuses `rro` there.
        recursive = folder and facts.host.kernel >= (5, 12)
        options = _choose_options(self.options, recursive=recursive)
        return Contribution(
            mounts=(Mount(use.destination, "bind", answer.resolved, options),),
            entries=(entry,),
        )


def _choose_options(written: tuple[str, ...], *, recursive: bool) -> tuple[str, ...]:
    """The options that hold, in one order whatever the order in the file: the same mount, the same bundle."""
    chosen = [next((name for name in row if name in written), row[0]) for row in _CHOICES]
    if "ro" in chosen and "rbind" in chosen and recursive:
        chosen.append("rro")
    return (*chosen, *(flag for flag in _FLAGS if flag in _ALWAYS or flag in written))


def _find_faults(options: tuple[str, ...]) -> Iterable[Fault]:
    first: dict[tuple[str, ...], str] = {}
    for index, name in enumerate(options):
        if name not in OPTIONS:
            message = f'unknown mount option "{name}"'
            yield Fault(("options", index), message, f"one of {', '.join(OPTIONS)}", guess=Guess(name, OPTIONS))
            continue
        row = next((row for row in _CHOICES if name in row), ())
        if row and first.setdefault(row, name) != name:
            yield Fault(("options", index), f'"{name}" contradicts "{first[row]}"', "write one of them")
