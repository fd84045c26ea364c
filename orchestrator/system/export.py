"""Writes a bundle into a folder of the user's, for `runc run -b DIR` and whatever else runs OCI bundles. Floor: system.

Unlike an instance's folder it names no cgroup and, where it can, no path outside of itself.
"""

import os
import subprocess
from pathlib import Path

from orchestrator.core.render import render_instance
from orchestrator.model.bundle import Bundle, Instance
from orchestrator.model.definition import Resources
from orchestrator.model.oci import Mount
from orchestrator.model.spec import FolderRoot, SkeletonRoot
from orchestrator.ports import DiskFailed
from orchestrator.system.bundles import make_skeleton
from orchestrator.system.files import remove_tree


def export_bundle(bundle: Bundle, resources: Resources, folder: str, *, copy: bool) -> tuple[Mount, ...]:
    """Make the bundle in ``folder`` (absolute; missing or empty). All or nothing.

    copy: the root file system and what is mounted read-only from the host is copied into the bundle. Returns the bind
    mounts that lead to the host still, for `copy` those that may be written to: their data belongs to the host.
    Raises DiskFailed.
    """
    target = Path(folder)
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
            raise DiskFailed(f"cannot make the bundle {folder}: it exists and is no empty folder")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir(mode=0o755)
        try:
            mounts = _fill(partial, bundle, resources, copy=copy)
            os.rename(partial, target)
        except BaseException:
            remove_tree(str(partial))
            raise
    except OSError as error:
        raise DiskFailed(f"cannot make the bundle {folder}: {error.strerror} ({error.filename})") from error
    return mounts if copy else ()


def _fill(folder: Path, bundle: Bundle, resources: Resources, *, copy: bool) -> tuple[Mount, ...]:
    rootfs = folder / "rootfs"
    root_path = "rootfs"
    match bundle.root:
        case FolderRoot(path=path):
            if copy:
                _copy(path, rootfs)
            else:
                root_path = path
        case SkeletonRoot(entries=entries):
            make_skeleton(str(rootfs), entries)
    config = dict(bundle.config)
    mounts = [
        Mount(each["destination"], each["type"], each["source"], tuple(each["options"])) for each in config["mounts"]
    ]
    binds = tuple(mount for mount in mounts if {"bind", "rbind"} & set(mount.options))
    copied = {mount.destination for mount in binds if "ro" in mount.options} if copy else set()
    for mount in binds:
        if mount.destination in copied:
            _copy(mount.source, _inside(rootfs, mount.destination))
    config["mounts"] = [each for each in config["mounts"] if each["destination"] not in copied]
    (folder / "config.json").write_text(_render(bundle, config, resources, root_path))
    return tuple(mount for mount in binds if mount.destination not in copied)


def _render(bundle: Bundle, config: dict[str, object], resources: Resources, root_path: str) -> str:
    instance = Instance(
        id="",
        name="",
        bundle=Bundle(bundle.digest, config, bundle.root, bundle.readonly),
        resources=resources,
        folder="",
        rootfs=root_path,
        cgroups_path="",
        log="",
    )
    return render_instance(instance)


def _inside(rootfs: Path, destination: str) -> Path:
    """The place of a destination below the rootfs, refusing to be led out of it by a link."""
    place = rootfs / destination.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if not os.path.realpath(place.parent).startswith(os.path.realpath(rootfs)):
        raise DiskFailed(f"cannot copy to {destination}: a link in the root file system leads out of it")
    return place


def _copy(source: str, target: Path) -> None:
    """A file or a whole tree with owners, modes, times, links and extended attributes, as cp(1) keeps them."""
    command = ["cp", "-a", "--reflink=auto", "--no-target-directory", "--", os.path.realpath(source), str(target)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = done.stderr.strip().splitlines()[:1] or [f"cp exited with {done.returncode}"]
        raise DiskFailed(f"cannot copy {source}: {why[0]}")
