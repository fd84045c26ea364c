"""The `overlay` mount: folders of the host, laid over each other, with what is written to them apart. Floor: plugin.

The runtime makes the mount (Documentation/filesystems/overlayfs.rst of the kernel); here the folders are made that take
what is written.
"""

import time
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar

from attrs import frozen

from orchestrator.plugin import (
    AbsolutePath,
    Attachment,
    Change,
    Container,
    Contribution,
    Facts,
    Fault,
    FileMode,
    FolderEntry,
    Host,
    HostFailed,
    Mount,
    PathKind,
    PathQuestion,
    Question,
    Use,
    UserName,
    escape_option,
    find_owner,
    option,
    owner_questions,
    quote,
)
from orchestrator_mounts.bind import DEFAULT_MODE
from orchestrator_mounts.volume import (
    FOLDER,
    LOCK,
    choose_name,
    find_name_faults,
    find_volume,
    make_volumes_folder,
)

LONGEST_LOWER = 3072
"""Bytes of all lower folders together: the options of a mount are one page, with those of the upper folder."""


PATIENCE = 3.0
"""Seconds until what is left of an instance that has ended is gone, at the most."""

PAUSE = 0.02
"""Seconds between two looks."""


class Upper(Enum):
    """What becomes of what is written."""

    FRESH = "fresh"
    """It is gone with the instance."""
    KEPT = "kept"
    """It is kept in a volume."""


@frozen(kw_only=True)
class Overlay:
    """Folders of the host as one that may be written to: they themselves stay as they are."""

    type: ClassVar[str] = "overlay"

    lower: tuple[AbsolutePath, ...] = option(
        doc="The folders of the host, the uppermost first: what is in it hides what has the same name in the next.",
        change=Change.REPLACE,
        example='["/srv/data"]',
    )
    upper: Upper = option(
        default=Upper.FRESH,
        doc="What becomes of what is written: `fresh`, it is gone with each instance; `kept`, in a volume.",
        change=Change.REPLACE,
        example='"kept"',
    )
    name: str | None = option(
        default=None,
        doc='What the volume is called, with `upper = "kept"`; by default as that of a `volume`.',
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

    def questions(self) -> Iterable[Question]:
        """What stands at the lower folders, and who is there to own the upper one?"""
        return (*map(PathQuestion, self.lower), *owner_questions(self.owner))

    def volumes(self, use: Use) -> Iterable[str]:
        """The volume that it keeps."""
        return (choose_name(self.name, use),) if self.upper is Upper.KEPT else ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """The mount, and a folder to mount it on."""
        lowers = [facts.paths[path].resolved for path in self.lower]
        lower = ":".join(map(escape_option, lowers))
        faults = list(self._find_faults(facts, lower))
        owner = find_owner(self.owner, use, facts)
        if isinstance(owner, Fault):
            faults.append(owner)
        elif not faults:
            volume = choose_name(self.name, use) if self.upper is Upper.KEPT else ""
            upper = f"{use.kept}/{FOLDER}/{volume}" if volume else use.scratch
            work = {"volume": volume, "mode": self.mode, "uid": owner.uid, "gid": owner.gid}
            options = ("nosuid", "nodev", f"lowerdir={lower}", f"upperdir={upper}/upper", f"workdir={upper}/work")
            return Contribution(
                mounts=(Mount(use.destination, "overlay", "overlay", options),),
                entries=(FolderEntry(use.destination),),
                attach=(Attachment(work=work),),
            )
        return Contribution(faults=tuple(faults))

    def _find_faults(self, facts: Facts, lower: str) -> Iterable[Fault]:
        if not self.lower:
            yield Fault(("lower",), "there is no lower folder: the list is empty", 'write ["/srv/data"]')
        for index, path in enumerate(self.lower):
            answer = facts.paths[path]
            match answer.kind:
                case PathKind.MISSING:
                    why = answer.detail or "no such directory"
                case PathKind.DENIED:
                    why = answer.detail
                case PathKind.FILE | PathKind.OTHER:
                    why = "not a directory"
                case PathKind.DIRECTORY:
                    continue
            yield Fault(("lower", index), f"cannot use {quote(path)}: {why}")
        length = len(lower.encode("utf-8", "surrogateescape"))
        if length > LONGEST_LOWER:
            message = f"the lower folders have {length} bytes together, {LONGEST_LOWER} are the most"
            yield Fault(("lower",), message, "write shorter paths, or fewer")
        if self.upper is Upper.KEPT:
            yield from find_name_faults(self.name)
        elif self.name is not None:
            yield Fault(("name",), "what is written is in no volume", 'write upper = "kept" too, or leave it away')

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> None:
        """Make the folders that take what is written. Raises HostFailed, also where another instance uses them: two at
        once would ruin what both write. One of the same container has ended, and is waited for."""
        volume = work["volume"]
        if not volume:
            host.make_folder(container.scratch, mode=0o700)
            _make_folders(container.scratch, work, host)
            return
        deadline = time.monotonic() + PATIENCE
        while user := _take(work, container, host):
            if user != container.name or time.monotonic() > deadline:
                raise HostFailed(f"the container {user} uses the volume {volume}")
            time.sleep(PAUSE)

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        """Give the volume free, or remove what was written."""
        volume = work["volume"]
        if not volume:
            # What it wrote may be large: it goes with the rest of the instance.
            return
        with host.lock(LOCK):
            if _read_mark(container, volume, host)[1] == container.own:
                host.remove(_find_mark(container, volume))
            host.remove(container.own)


def _take(work: Mapping[str, Any], container: Container, host: Host) -> str:
    """Make the folders in the volume, unless another instance uses them: the name of its container, else empty."""
    volume = work["volume"]
    with host.lock(LOCK):
        make_volumes_folder(container, host)
        path = find_volume(container, volume)
        name, folder = _read_mark(container, volume, host)
        if folder not in ("", container.own) and _is_there(folder, host):
            return name
        host.make_folder(container.own, mode=0o700)
        host.write_file(_find_mark(container, volume), f"{container.name} {container.own}".encode())
        host.make_folder(path, mode=0o700)
        _make_folders(path, work, host)
    return ""


def _make_folders(place: str, work: Mapping[str, Any], host: Host) -> None:
    host.make_folder(f"{place}/upper", mode=work["mode"], uid=work["uid"], gid=work["gid"])
    host.make_folder(f"{place}/work", mode=0o700)


def _find_mark(container: Container, volume: str) -> str:
    """The file that says who uses a volume as its upper folder: the container's name, and the path of a folder of the
    instance's own. As long as that is there, so is the instance; what has gone without a word is not in the way."""
    return f"{container.shared}/overlay/{volume}"


def _read_mark(container: Container, volume: str, host: Host) -> tuple[str, str]:
    """The name and the path; both empty where nobody uses it."""
    name, _, folder = (host.read_file(_find_mark(container, volume)) or b"").decode(errors="replace").partition(" ")
    return name, folder


def _is_there(folder: str, host: Host) -> bool:
    parent, _, name = folder.rpartition("/")
    return name in host.list_folder(parent)
