"""Where the root file system of a container comes from: a closed set of kinds. Floor: model."""

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import frozen

from orchestrator.model.option import Change, option
from orchestrator.model.types import AbsolutePath


@frozen(kw_only=True)
class HostRootfs:
    """The host's own /usr, read-only, with the links to it and a minimal /etc; nothing else of the host."""

    type: ClassVar[str] = "host"


@frozen(kw_only=True)
class DirectoryRootfs:
    """A folder of the host as the root file system, used in place."""

    type: ClassVar[str] = "directory"
    path: AbsolutePath = option(
        doc="The folder. The runtime makes missing mount points in it.",
        change=Change.REPLACE,
        example='"/srv/alpine"',
    )


@frozen(kw_only=True)
class ClosureRootfs:
    """The Nix store paths that the definition names, with all they need, and nothing else of the store."""

    type: ClassVar[str] = "closure"
    store: AbsolutePath | None = option(
        default=None,
        doc="Another store than the host's: the folder that holds its paths, if it is called `store`, else the root of "
        "a chroot store (`nix --store`).",
        change=Change.REPLACE,
        example='"/srv/chroot"',
    )


Rootfs = HostRootfs | DirectoryRootfs | ClosureRootfs
"""Where the root file system comes from."""

ROOTFS_KINDS: Mapping[str, type[Any]] = {kind.type: kind for kind in (HostRootfs, DirectoryRootfs, ClosureRootfs)}
