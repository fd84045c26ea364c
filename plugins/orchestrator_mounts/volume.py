"""The `volume` mount: a named folder in the state directory that lasts. Floor: plugin.

Volumes are made here and looked through and removed by `orchestrator volumes`; `overlay` keeps its upper folder in one.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from attrs import frozen

from orchestrator.plugin import (
    Attachment,
    Change,
    Container,
    Contribution,
    Facts,
    Fault,
    FileMode,
    FolderEntry,
    Host,
    Mount,
    Question,
    Use,
    UserName,
    find_owner,
    option,
    owner_questions,
    quote,
)
from orchestrator_mounts.bind import DEFAULT_MODE, choose_options, find_option_faults

FOLDER = "volumes"
"""The folder of all volumes, below what is kept. Nobody but root may look in: what is in a volume is seen where that is
mounted, whoever else is on the host."""

LOCK = "volumes"
"""Whoever makes or removes a volume holds this lock."""

LONGEST_NAME = 128
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_PART = re.compile(r"[A-Za-z0-9._-]+")


@frozen(kw_only=True)
class Volume:
    """A folder of the agent's own that outlives the container."""

    type: ClassVar[str] = "volume"

    name: str | None = option(
        default=None,
        doc="What it is called: letters, digits and `._+-`. By default the container's name with the destination, "
        "joined by `+`: `web+var+lib` for /var/lib in web. Two mounts that name one volume share it.",
        change=Change.REPLACE,
        example='"web-data"',
    )
    owner: UserName | None = option(
        default=None,
        doc="Whose the folder is when it is made: `USER` or `USER:GROUP`, names of the host or numbers. By default "
        "who the application runs as.",
        change=Change.REPLACE,
        example='"www-data"',
    )
    mode: FileMode = option(
        default=FileMode(DEFAULT_MODE),
        doc="The mode of the folder when it is made.",
        change=Change.REPLACE,
        example='"0750"',
    )
    options: tuple[str, ...] = option(
        default=(),
        doc="As those of `bind`.",
        change=Change.REPLACE,
        example='["noexec"]',
    )

    def questions(self) -> Iterable[Question]:
        """Who is there to own it?"""
        return owner_questions(self.owner)

    def volumes(self, use: Use) -> Iterable[str]:
        """The volume that it keeps."""
        return (choose_name(self.name, use),)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """The mount, and a folder to mount it on."""
        owner = find_owner(self.owner, use, facts)
        faults = [*find_name_faults(self.name), *find_option_faults(self.options)]
        if isinstance(owner, Fault):
            return Contribution(faults=(*faults, owner))
        if faults:
            return Contribution(faults=tuple(faults))
        name = choose_name(self.name, use)
        options = choose_options(self.options, recursive=facts.host.kernel >= (5, 12))
        work = {"volume": name, "mode": self.mode, "uid": owner.uid, "gid": owner.gid}
        return Contribution(
            mounts=(Mount(use.destination, "bind", f"{use.kept}/{FOLDER}/{name}", options),),
            entries=(FolderEntry(use.destination),),
            attach=(Attachment(work=work),),
        )

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> None:
        """Make the volume, unless it is there: then it is left as it is."""
        with host.lock(LOCK):
            make_volumes_folder(container, host)
            path = find_volume(container, work["volume"])
            host.make_folder(path, mode=work["mode"], uid=work["uid"], gid=work["gid"])

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        """Nothing is undone: it lasts."""


def choose_name(written: str | None, use: Use) -> str:
    """What a volume is called. A container's name has no ``+``, so that no two have the same by default; where the
    destination cannot stand in a name, it is there by its digest."""
    if written is not None:
        return written
    parts = use.destination.strip("/").split("/")
    name = "+".join((use.container, *parts))
    if len(name) <= LONGEST_NAME and all(map(_PART.fullmatch, parts)):
        return name
    return f"{use.container}++{hashlib.sha256(use.destination.encode()).hexdigest()[:12]}"


def find_name_faults(written: str | None) -> Iterable[Fault]:
    """What is wrong with a name, in the option ``name``."""
    if written is None or (_NAME.fullmatch(written) and len(written) <= LONGEST_NAME):
        return
    why = "it has no more than letters, digits, '.', '_', '+' and '-', and begins with a letter or a digit"
    if len(written) > LONGEST_NAME:
        why = f"it has {len(written)} characters, {LONGEST_NAME} are the most"
    close = re.sub(r"[^A-Za-z0-9._+-]+", "-", written).strip("._+-")[:LONGEST_NAME]
    message = f"{quote(written)} is no name for a volume: {why}"
    yield Fault(("name",), message, f"did you mean {quote(close)}?" if close else 'write "data"')


def make_volumes_folder(container: Container, host: Host) -> None:
    """The folder of all volumes."""
    host.make_folder(f"{container.kept}/{FOLDER}", mode=0o700)


def find_volume(container: Container, name: str) -> str:
    """Where a volume is."""
    return f"{container.kept}/{FOLDER}/{name}"
