"""The parts that a container is made of beside its definition's own keys: what kinds contribute, what the files of CDI
devices add, and the hooks of directories. How they are joined is for `orchestrator.core.resolve`. Floor: core.
"""

from collections.abc import Iterable

from attrs import evolve, frozen

from orchestrator.core.plugged import PluggedUse
from orchestrator.core.rootfs import is_below
from orchestrator.model.attached import PlannedAttachment
from orchestrator.model.contribution import BundleFile, Contribution, LiveFile, PortClaim
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Fault, dotted

_BINDS = frozenset({"bind", "rbind"})


@frozen
class Part:
    """What a key of the definition brings along."""

    path: KeyPath
    """Of the key: the table of a kind, an item of ``devices`` or of ``hooks_dirs``."""
    contribution: Contribution
    used: PluggedUse | None = None
    """The use of the kind that it is of."""
    file: str = ""
    """The file of the host that says it, where one does."""

    @property
    def is_mount(self) -> bool:
        """Whether it is of an entry of ``mounts``."""
        return self.path[0] == "mounts"

    @property
    def has_bind(self) -> bool:
        """Whether it is of an entry of ``mounts`` that shows something of the host."""
        mounts = self.contribution.mounts if self.is_mount else ()
        return any(mount.type == "bind" or _BINDS & {*mount.options} for mount in mounts)


def find_part_faults(parts: Iterable[Part]) -> list[Fault]:
    """What is wrong with them, with paths as in the definition."""
    return [fault.below(*part.path) for part in parts for fault in part.contribution.faults]


def plan_attachments(parts: Iterable[Part]) -> tuple[PlannedAttachment, ...]:
    """What kinds are to do on the host for each instance."""
    used = ((part.used, part.contribution) for part in parts)
    return tuple(planned for each, contribution in used if each is not None for planned in each.plan(contribution))


def list_claims(parts: Iterable[Part]) -> tuple[PortClaim, ...]:
    """The ports of the host that kinds take, with their paths as in the definition."""
    return tuple(evolve(claim, path=(*part.path, *claim.path)) for part in parts for claim in part.contribution.claims)


def list_contents(parts: Iterable[Part]) -> tuple[str, ...]:
    """What makes it another container, each with the key of the kind that says so."""
    return tuple(f"{dotted(part.path)}: {content}" for part in parts for content in part.contribution.contents)


def join_files(parts: Iterable[Part]) -> tuple[tuple[BundleFile, ...], tuple[LiveFile, ...]]:
    """The files of kinds, by path. Where a mount of the definition is, or above, that wins over what its network brings
    along; and of two with one path the last stands. (They are mounted after all else, those of mounts too.)"""
    parts = tuple(parts)
    mounted = [str(part.path[1]) for part in parts if part.is_mount]
    files: dict[str, BundleFile] = {}
    live: dict[str, LiveFile] = {}
    for part in parts:
        hiding = [] if part.is_mount else mounted

        def is_hidden(path: str, hiding: list[str] = hiding) -> bool:
            return any(is_below(path, folder) for folder in hiding)

        files |= {each.path: each for each in part.contribution.files if not is_hidden(each.path)}
        live |= {each.path: each for each in part.contribution.live if not is_hidden(each.path)}
    return tuple(files[path] for path in sorted(files)), tuple(live[path] for path in sorted(live))
