"""Writes a bundle into a folder of the user's, for `runc run -b DIR` and whatever else runs OCI bundles. Floor: system.

Unlike an instance's folder it names no cgroup and, where it can, no path outside of itself.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from orchestrator.core.files import LIVE
from orchestrator.core.folders import names_folder
from orchestrator.core.notify import without_agent
from orchestrator.core.render import render_instance
from orchestrator.model.attached import KEPT, OWN, SCRATCH, SHARED
from orchestrator.model.bundle import Bundle, Instance
from orchestrator.model.contribution import LiveFile
from orchestrator.model.oci import Mount
from orchestrator.model.resources import Resources
from orchestrator.model.spec import FolderRoot, SkeletonRoot
from orchestrator.ports import DiskFailed
from orchestrator.system.bundles import make_skeleton, write_files, write_new
from orchestrator.system.envfile import VariableReader
from orchestrator.system.files import remove_tree
from orchestrator.system.inroot import open_in_root

CHUNK = 64 * 1024
"""Bytes of what cp(1) says that are read at a time."""


@frozen
class Exported:
    """What a bundle lacks."""

    staying: tuple[Mount, ...]
    """Of a copy, the bind mounts that lead to the host still: those that may be written to, since their data belongs to
    the host, and what is mounted below one of these."""
    left_out: tuple[Mount, ...]
    """What only an agent can mount: volumes, secrets and the like."""


def count_files(bundle: Bundle) -> int:
    """How many files, links and folders a copy of the bundle's root file system and of its read-only binds has."""
    sources = [bundle.root.path] if isinstance(bundle.root, FolderRoot) else []
    mounts = [_read_mount(each) for each in bundle.config.get("mounts", []) if not _needs_instance(each)]
    copied = _choose_copied(mounts)
    sources += [mount.source for mount in mounts if mount.destination in copied]
    return sum(1 + sum(len(folders) + len(files) for _, folders, files in os.walk(source)) for source in sources)


def export_bundle(
    bundle: Bundle,
    resources: Resources,
    folder: str,
    *,
    copy: bool,
    live: Sequence[LiveFile] = (),
    tell: Callable[[int], object] | None = None,
) -> Exported:
    """Make the bundle in ``folder`` (absolute; missing or empty). All or nothing.

    copy: the root file system and what is mounted read-only from the host is copied into the bundle. live: the files
    that would follow the host, as they are now. Files of variables are read, and what they say is written. tell: called
    now and then with how many files have been copied.
    Raises DiskFailed; VariablesUnusable.
    """
    target = Path(folder)
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
            raise DiskFailed(f"cannot make the bundle {folder}: it exists and is no empty folder")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir(mode=0o755)
        try:
            exported = _fill(partial, bundle, resources, _Copier(tell) if copy else None)
            write_files(str(partial), live, LIVE)
            os.rename(partial, target)
        except BaseException:
            remove_tree(str(partial))
            raise
    except OSError as error:
        raise DiskFailed(f"cannot make the bundle {folder}: {error.strerror} ({error.filename})") from error
    return exported


def _fill(folder: Path, bundle: Bundle, resources: Resources, copier: "_Copier | None") -> Exported:
    rootfs = folder / "rootfs"
    root_path = "rootfs"
    match bundle.root:
        case FolderRoot(path=path):
            if copier is not None:
                copier.copy(path, str(rootfs))
            else:
                root_path = path
        case SkeletonRoot(entries=entries):
            make_skeleton(str(rootfs), entries)
    config = without_agent(bundle)
    left_out = tuple(_read_mount(each) for each in config.get("mounts", []) if _needs_instance(each))
    listed = [each for each in config.get("mounts", []) if not _needs_instance(each)]
    mounts = [_read_mount(each) for each in listed]
    binds = tuple(mount for mount in mounts if {"bind", "rbind"} & set(mount.options))
    copied = _choose_copied(mounts) if copier is not None else set()
    for mount in binds:
        if copier is not None and mount.destination in copied:
            _copy_into(rootfs, mount, copier)
    config["mounts"] = [each for each in listed if each.get("destination") not in copied]
    write_files(str(folder), bundle.files)
    variables = VariableReader().read(bundle.env_files)
    text = _render(evolve(bundle, config=config), resources, root_path, variables)
    # What variables say may be private.
    write_new(str(folder / "config.json"), text.encode(), 0o600 if variables else 0o644)
    staying = () if copier is None else tuple(mount for mount in binds if mount.destination not in copied)
    return Exported(staying, left_out)


def _needs_instance(mount: Mapping[str, Any]) -> bool:
    """Whether it is made of a folder that only an agent makes, for an instance."""
    return names_folder(mount, (OWN, SCRATCH, SHARED, KEPT))


def _read_mount(each: Mapping[str, Any]) -> Mount:
    """A mount as config.json has it: of a ready bundle it may have a destination only."""
    options = tuple(each.get("options") or ())
    return Mount(each.get("destination", ""), each.get("type", ""), each.get("source", ""), options)


def _choose_copied(mounts: Iterable[Mount]) -> set[str]:
    """The destinations of the read-only binds, without those below a mount that stays: it would hide the copy."""
    copied = set[str]()
    staying: list[str] = []
    for mount in mounts:
        hidden = any(mount.destination.startswith(f"{destination}/") for destination in staying)
        if not hidden and "ro" in mount.options and {"bind", "rbind"} & set(mount.options):
            copied.add(mount.destination)
        else:
            staying.append(mount.destination)
    return copied


def _render(bundle: Bundle, resources: Resources, root_path: str, variables: Mapping[str, str]) -> str:
    instance = Instance(
        id="",
        name="",
        bundle=bundle,
        resources=resources,
        folder="",
        rootfs=root_path,
        cgroups_path="",
        log="",
    )
    return render_instance(instance, variables)


def _copy_into(rootfs: Path, mount: Mount, copier: "_Copier") -> None:
    """Copy the source of a mount to where it would be mounted, in place of what is there: a mount would hide that.

    Links on the way are resolved within the root file system, as a runtime does. One in the last place is replaced,
    never written through: it may lead to the host.
    """
    parent, name = os.path.split(mount.destination)
    if name in ("", ".", ".."):
        raise DiskFailed(f"cannot copy {mount.source} to {mount.destination}: it is no place in a root file system")
    with ExitStack() as stack:
        folder = f"/proc/self/fd/{open_in_root(parent, str(rootfs), stack, make_missing=True)}"
        remove_tree(f"{folder}/{name}")
        copier.copy(mount.source, f"./{name}", folder)


class _Copier:
    """cp(1), and a count of what it has copied."""

    def __init__(self, tell: Callable[[int], object] | None) -> None:
        self._tell = tell
        self._count = 0

    def copy(self, source: str, target: str, folder: str = "/") -> None:
        """A file or a whole tree with owners, modes, times, links and extended attributes, as cp(1) keeps them.

        target: what must not be there yet, as seen from ``folder``. Raises DiskFailed.
        """
        words = ["cp", "-a", "--reflink=auto", "--no-target-directory", *(["-v"] if self._tell else [])]
        with tempfile.TemporaryFile() as complaints:
            command = [*words, "--", os.path.realpath(source), target]
            # A line for each file, if somebody wants to know: its name may have any bytes, and ends of lines too.
            with subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints
            ) as running:
                assert running.stdout is not None, "a pipe was asked for"
                while chunk := running.stdout.read1(CHUNK):  # type: ignore[attr-defined]
                    self._count += chunk.count(b"\n")
                    if self._tell is not None:
                        self._tell(self._count)
            if running.returncode != 0:
                complaints.seek(0)
                said = complaints.read().decode("utf-8", "replace").strip().splitlines()
                why = said[0] if said else f"cp exited with {running.returncode}"
                raise DiskFailed(f"cannot copy {source}: {why}")
