"""The small files that a bundle brings along and mounts into the container: the script of `cmd`, and what plugins put
into a root that is left as it is. Writing them is left to `orchestrator.system.bundles`. Floor: core.
"""

from collections.abc import Iterable
from typing import Any

from orchestrator.core import defaults
from orchestrator.core.rootfs import is_below
from orchestrator.model.contribution import BundleFile
from orchestrator.model.definition import Definition
from orchestrator.model.entry import Entry, FileEntry
from orchestrator.model.oci import Mount

SCRIPT = "/dev/orchestrator/cmd"
"""Where `cmd` is inside. /dev is a tmpfs of the container's own on every kind of root, so its mount point can be made
on a read-only root too, is left behind in no folder of the host, and lies where no definition may mount anything."""

FOLDER = "files"
"""The folder beside config.json that the files are written into, each with its number as its name."""

LIVE = "live"
"""The same for those that follow the host, in a bundle that is no instance's and follows nothing."""


def choose_args(definition: Definition) -> tuple[str, ...]:
    """What is run: `args`, or the shell with the script of `cmd`."""
    return definition.args or () if definition.cmd is None else (definition.shell, SCRIPT)


def find_command(definition: Definition) -> tuple[str, tuple[str, ...]]:
    """The key that says what is run, and the texts that say it."""
    if definition.cmd is None:
        return "args", definition.args or ()
    return "cmd", (definition.shell, definition.cmd)


def script_files(definition: Definition) -> tuple[BundleFile, ...]:
    """The script of `cmd`, if there is one: it ends with a whole line, as a text file does (POSIX.1, 3.403)."""
    if definition.cmd is None:
        return ()
    text = definition.cmd if definition.cmd.endswith("\n") else f"{definition.cmd}\n"
    return (BundleFile(SCRIPT, text),)


def entry_files(entries: Iterable[Entry], mounts: Iterable[Mount]) -> tuple[BundleFile, ...]:
    """The entries that have a text as files, by path; of two with one path the last stands. What lies at or below one
    of ``mounts`` is left out: in a skeleton too it would be hidden."""
    texts = {entry.path: entry for entry in entries if isinstance(entry, FileEntry) and entry.text}
    hiding = [mount.destination for mount in mounts]
    return tuple(
        BundleFile(path, entry.text, entry.mode)
        for path, entry in sorted(texts.items(), key=lambda item: item[0].split("/"))
        if not any(is_below(path, destination) for destination in hiding)
    )


def mount_files(files: Iterable[BundleFile], folder: str) -> tuple[Mount, ...]:
    """The mounts of the files that stand in the bundle at ``folder``; where that is empty, relative to the bundle
    (runtime-spec config.md, "Mounts")."""
    place = f"{folder}/{FOLDER}" if folder else FOLDER
    return tuple(
        Mount(file.path, "bind", f"{place}/{number}", defaults.HOST_BIND_OPTIONS) for number, file in enumerate(files)
    )


def mount_live(paths: Iterable[str], folder: str) -> tuple[Mount, ...]:
    """The mounts of the files that follow the host, in the folder where an instance has them. They are bound one by
    one, so whoever rewrites them has to do so in place. Without a folder relative to the bundle."""
    place = folder or LIVE
    return tuple(
        Mount(path, "bind", f"{place}/{number}", defaults.HOST_BIND_OPTIONS) for number, path in enumerate(paths)
    )


def render_mount(mount: Mount) -> dict[str, Any]:
    """A mount as config.json has it (runtime-spec config.md, "Mounts")."""
    return {
        "destination": mount.destination,
        "type": mount.type,
        "source": mount.source,
        "options": list(mount.options),
    }
