"""The `bind` mount: a file or folder of the host, seen at another place inside. The default kind of mount.

Beside `orchestrator.plugin` it imports nothing of the agent. Floor: plugin.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from attrs import frozen

from orchestrator.plugin import (
    AbsolutePath,
    Attachment,
    Change,
    Container,
    Contribution,
    Entry,
    Facts,
    Fault,
    FileEntry,
    FileMode,
    FolderEntry,
    Guess,
    Host,
    Mount,
    PathAnswer,
    PathKind,
    PathQuestion,
    Question,
    Use,
    UserName,
    find_owner,
    option,
    owner_questions,
    quote,
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


DEFAULT_MODE = 0o755
"""Of a folder that is made."""


@frozen(kw_only=True)
class Bind:
    """A file or folder of the host, with what is mounted below it."""

    type: ClassVar[str] = "bind"

    source: AbsolutePath = option(
        doc="The file or folder on the host. Links are followed.",
        change=Change.REPLACE,
        example='"/srv/data"',
    )
    create: bool = option(
        default=False,
        doc="Make the source, a folder, before each start if it is missing, with the folders that lead to it. It stays "
        "when the container goes.",
        change=Change.REPLACE,
        example="true",
    )
    owner: UserName | None = option(
        default=None,
        doc="Whose the folder is that is made: `USER` or `USER:GROUP`, names of the host or numbers. By default who "
        "the application runs as.",
        change=Change.REPLACE,
        example='"www-data"',
    )
    mode: FileMode | None = option(
        default=None,
        doc="The mode of the folder that is made; by default `0755`.",
        change=Change.REPLACE,
        example='"0750"',
    )
    options: tuple[str, ...] = option(
        default=(),
        doc="As mount(8) has them: `rw` (default) or `ro`; `rbind` (default) or `bind`; `noexec`; `nosuid` and `nodev` "
        "(always on); `rprivate` (default), `private`, `rslave`, `slave`, `rshared` or `shared`.",
        change=Change.REPLACE,
        example='["ro"]',
    )

    def questions(self) -> Iterable[Question]:
        """What stands at the source, and who is there to own it?"""
        return (PathQuestion(self.source), *owner_questions(self.owner))

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """The mount, and a mount point of the source's kind. With `create` it is the same whether the folder stands
        already or not: nothing is replaced because it was made."""
        faults = tuple(find_option_faults(self.options))
        answer = facts.paths[self.source]
        attach: tuple[Attachment, ...] = ()
        if self.create:
            faults = (*_find_obstacles(self.source, answer), *faults)
            owner = find_owner(self.owner, use, facts)
            if isinstance(owner, Fault):
                faults = (*faults, owner)
            else:
                mode = DEFAULT_MODE if self.mode is None else self.mode
                work = {"path": answer.resolved, "mode": mode, "uid": owner.uid, "gid": owner.gid}
                attach = (Attachment(work=work),)
        else:
            faults = (*_find_missing(self.source, answer), *faults)
            for name in ("owner", "mode"):
                if getattr(self, name) is not None:
                    faults = (*faults, Fault((name,), "it is of the folder that is made", "write create = true too"))
        if faults:
            return Contribution(faults=faults)
        folder = self.create or answer.kind is PathKind.DIRECTORY
        entry: Entry = FolderEntry(use.destination) if folder else FileEntry(use.destination)
        # Read-only also what is mounted below it: mount_setattr(2) with AT_RECURSIVE, Linux 5.12. Nothing is below a
        # file, and crun 1.8 refuses `rro` there.
        recursive = folder and facts.host.kernel >= (5, 12)
        options = choose_options(self.options, recursive=recursive)
        return Contribution(
            mounts=(Mount(use.destination, "bind", answer.resolved, options),),
            entries=(entry,),
            attach=attach,
        )

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> None:
        """Make the folder, unless it is there: then it is left as it is."""
        host.make_folder(work["path"], mode=work["mode"], uid=work["uid"], gid=work["gid"])

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        """Nothing is undone: what was made holds the container's data."""


def _find_missing(source: str, answer: PathAnswer) -> Iterable[Fault]:
    if answer.kind is PathKind.MISSING:
        hint = "" if answer.detail else "write create = true to have a folder made there"
        yield Fault(("source",), f"cannot use {quote(source)}: {answer.detail or 'no such file or directory'}", hint)
    elif answer.kind is PathKind.DENIED:
        yield Fault(("source",), f"cannot use {quote(source)}: {answer.detail}")


def _find_obstacles(source: str, answer: PathAnswer) -> Iterable[Fault]:
    """Why there can be no folder at the source."""
    match answer.kind:
        case PathKind.FILE | PathKind.OTHER:
            yield Fault(("create",), f"cannot make the folder {quote(source)}: a file stands there", "leave it away")
        case PathKind.DENIED:
            yield Fault(("source",), f"cannot use {quote(source)}: {answer.detail}")
        case PathKind.MISSING if answer.detail:
            yield Fault(("source",), f"cannot make the folder {quote(source)}: {answer.detail}")


def choose_options(written: tuple[str, ...], *, recursive: bool) -> tuple[str, ...]:
    """The options that hold, in one order whatever the order in the file: the same mount, the same bundle."""
    chosen = [next((name for name in row if name in written), row[0]) for row in _CHOICES]
    if "ro" in chosen and "rbind" in chosen and recursive:
        chosen.append("rro")
    return (*chosen, *(flag for flag in _FLAGS if flag in _ALWAYS or flag in written))


def find_option_faults(options: tuple[str, ...]) -> Iterable[Fault]:
    """What is wrong with the options of a bind mount, each in the option `options`."""
    first: dict[tuple[str, ...], str] = {}
    for index, name in enumerate(options):
        if name not in OPTIONS:
            message = f'unknown mount option "{name}"'
            yield Fault(("options", index), message, f"one of {', '.join(OPTIONS)}", guess=Guess(name, OPTIONS))
            continue
        row = next((row for row in _CHOICES if name in row), ())
        if row and first.setdefault(row, name) != name:
            yield Fault(("options", index), f'"{name}" contradicts "{first[row]}"', "write one of them")
