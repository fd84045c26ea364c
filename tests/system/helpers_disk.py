"""Values for the tests of the disk: small bundles and instances, and what stands in a folder."""

import os
import stat
from pathlib import Path

from orchestrator.core.canonical import digest_of
from orchestrator.core.encode import to_plain
from orchestrator.model.attached import Attached, PlannedAttachment
from orchestrator.model.bundle import Bundle, Instance
from orchestrator.model.contribution import Stage
from orchestrator.model.entry import Entry, FileEntry, FolderEntry, LinkEntry
from orchestrator.model.layout import Layout
from orchestrator.model.policy import OnExit, Restart, Stop
from orchestrator.model.resources import Resources
from orchestrator.model.spec import FolderRoot, Policy, SkeletonRoot
from orchestrator.model.state import InstanceState, Step

ENTRIES: tuple[Entry, ...] = (
    LinkEntry("/bin", "usr/bin"),
    FolderEntry("/etc"),
    FileEntry("/etc/hostname", "web\n"),
    FileEntry("/etc/mount", "", 0o600),
    FolderEntry("/tmp", 0o1777),
    FolderEntry("/usr"),
)


def make_bundle(
    entries: tuple[Entry, ...] = ENTRIES, *, readonly: bool = True, root: SkeletonRoot | FolderRoot | None = None
) -> Bundle:
    """A bundle with a skeleton (or another root) whose digest is that of its content."""
    root = root or SkeletonRoot(entries=entries)
    config = {
        "ociVersion": "1.0.2",
        "root": {"readonly": readonly},
        "process": {},
        "mounts": [],
        "linux": {"resources": {}},
    }
    return Bundle(digest_of([config, to_plain(root)]), config, root, readonly)


def make_instance(layout: Layout, bundle: Bundle, instance_id: str = "web-1") -> Instance:
    """An instance of a bundle, laid out as the agent does."""
    match bundle.root:
        case FolderRoot(path=path):
            rootfs = path
        case SkeletonRoot():
            rootfs = f"{layout.bundle(bundle.digest)}/rootfs" if bundle.readonly else layout.root(instance_id)
    return Instance(
        id=instance_id,
        name="web",
        bundle=bundle,
        resources=Resources(),
        folder=layout.instance(instance_id),
        rootfs=rootfs,
        cgroups_path=f"/orchestrator/{instance_id}",
        log=layout.log("web"),
    )


def make_instance_state(layout: Layout, instance_id: str = "web-1") -> InstanceState:
    """A state as it is written first."""
    return InstanceState(
        name="web",
        instance=instance_id,
        bundle="0" * 64,
        runtime="/usr/bin/runc",
        root=layout.runtime_root,
        folder=layout.instance(instance_id),
        rootfs=layout.root(instance_id),
        cgroups_path=f"/orchestrator/{instance_id}",
        log=layout.log("web"),
        step=Step.CREATING,
        created_at=1.0,
        attached=(
            Attached(
                plan=PlannedAttachment(
                    group="orchestrator.mounts", type="x", key="/x", stage=Stage.PREPARE, work={"a": [1, None]}
                ),
                begun=True,
                state={"b": "c"},
            ),
        ),
        resources=Resources(),
        policy=Policy(oneshot=False, restart=Restart(on_success=OnExit.RESTART), stop=Stop()),
    )


def mode_of(path: str) -> int:
    """The permission bits of what is at a path, a link not followed."""
    return stat.S_IMODE(os.lstat(path).st_mode)


def listing(folder: str) -> list[str]:
    """All that is below a folder, as relative paths."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))
