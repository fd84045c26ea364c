"""The `tmpfs` mount: an empty folder in memory, gone with the container (tmpfs(5)). Floor: plugin."""

from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen

from orchestrator.plugin import (
    Change,
    Contribution,
    Facts,
    Fault,
    FileMode,
    FolderEntry,
    Guess,
    Mount,
    Question,
    Size,
    Use,
    UserName,
    find_owner,
    option,
    owner_questions,
    quote,
)

OPTIONS = ("noexec", "noatime", "noswap", "nosuid", "nodev")
"""All that may be written."""

_ALWAYS = ("nosuid", "nodev")

NOSWAP_KERNEL = (6, 4)
"""The first that knows ``noswap``."""


@frozen(kw_only=True)
class Tmpfs:
    """A folder in memory. It counts for the container's limit."""

    type: ClassVar[str] = "tmpfs"

    size: Size | None = option(
        default=None,
        doc="The most that it holds; by default half of the host's memory, as far as the container's own limit allows.",
        change=Change.REPLACE,
        minimum=4096,
        example='"64M"',
    )
    mode: FileMode = option(
        default=FileMode(0o1777),
        doc="The mode of the folder; by default anybody inside may write there, as to /tmp.",
        change=Change.REPLACE,
        example='"0750"',
    )
    owner: UserName | None = option(
        default=None,
        doc="Whose the folder is: `USER` or `USER:GROUP`, names of the host or numbers; by default uid 0.",
        change=Change.REPLACE,
        example='"www-data"',
    )
    options: tuple[str, ...] = option(
        default=(),
        doc="As mount(8) has them: `noexec`, `noatime`, `noswap` (never on disk; from Linux 6.4 on); `nosuid` and "
        "`nodev` are always on.",
        change=Change.REPLACE,
        example='["noexec"]',
    )

    def questions(self) -> Iterable[Question]:
        """Who is there to own it?"""
        return owner_questions(self.owner)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """The mount, and a folder to mount it on."""
        faults = list(_find_faults(self.options, facts.host.kernel))
        options = [*_ALWAYS, *(name for name in OPTIONS if name in self.options and name not in _ALWAYS)]
        options.append(f"mode={self.mode:04o}")
        if self.size is not None:
            options.append(f"size={self.size}")
        if self.owner is not None:
            owner = find_owner(self.owner, use, facts)
            if isinstance(owner, Fault):
                faults.append(owner)
            else:
                options += [f"uid={owner.uid}", f"gid={owner.gid}"]
        if faults:
            return Contribution(faults=tuple(faults))
        return Contribution(
            mounts=(Mount(use.destination, "tmpfs", "tmpfs", tuple(options)),),
            # runc before 1.2 gives what it mounts the mode of the folder that it mounts it on.
            entries=(FolderEntry(use.destination, self.mode),),
        )


def _find_faults(options: tuple[str, ...], kernel: tuple[int, int]) -> Iterable[Fault]:
    for index, name in enumerate(options):
        path = ("options", index)
        if name not in OPTIONS:
            message = f"unknown mount option {quote(name)}"
            yield Fault(path, message, f"one of {', '.join(OPTIONS)}", guess=Guess(name, OPTIONS))
        elif name == "noswap" and kernel < NOSWAP_KERNEL:
            yield Fault(path, f'"noswap" needs Linux 6.4, and this is {kernel[0]}.{kernel[1]}')
