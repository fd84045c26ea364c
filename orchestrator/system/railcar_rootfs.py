"""What railcar leaves undone in a root file system: before its create in the folder, after it in the container.

Its mount points it finds by the host's eyes: a link in the root file system that begins with a slash leads it out of
there. Floor: system.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from orchestrator.system.inroot import open_in_root
from orchestrator.system.mountinfo import find_mounts

_DEVICES = ("null", "zero", "full", "tty", "urandom", "random")
_DEFAULT_PATH = "/bin:/usr/bin"
"""Of execvp(3), where there is none."""


def place_mounts(mounts: list[dict[str, Any]], rootfs: str) -> list[dict[str, Any]]:
    """The mounts with destinations that have no link in them, as they are inside. What stands on another mount is left
    as it is. Raises OSError."""
    placed: list[dict[str, Any]] = []
    for mount in mounts:
        destination = mount["destination"]
        if not any(is_below(destination, each["destination"]) for each in mounts if each is not mount):
            destination = _resolve(destination, rootfs)
        placed.append({**mount, "destination": destination})
    return placed


def make_folder(path: str, mounts: list[dict[str, Any]], rootfs: str) -> None:
    """The working directory, where it is missing and in no mount, as other runtimes make it. Raises OSError."""
    if not any(is_below(path, mount["destination"]) for mount in mounts):
        # A root file system that cannot be written to has it, or the runtime says that it has not.
        with ExitStack() as stack, contextlib.suppress(PermissionError, FileExistsError):
            open_in_root(path, rootfs, stack, make_missing=True)


def find_writable(mounts: list[dict[str, Any]]) -> Iterator[str]:
    """The sources that are to be read-only with all that is mounted below them, and that have something mounted there:
    railcar makes read-only what stands on top. Raises OSError."""
    for mount in mounts:
        source = mount.get("source", "")
        if {"rro", "rbind"} <= set(mount.get("options", [])) and set(find_mounts(source)) - {os.path.realpath(source)}:
            yield source


def mend_devices(root: str) -> None:
    """Let all open /dev/null and its like: railcar makes them with mode 066, so that their owner may not, without the
    capability DAC_OVERRIDE."""
    for name in _DEVICES:
        with contextlib.suppress(OSError), ExitStack() as stack:
            descriptor = open_in_root(f"/dev/{name}", root, stack)
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.chmod(f"/proc/self/fd/{descriptor}", 0o666)


def check_command(process: Mapping[str, Any], root: str) -> None:
    """Whether the command of a container is there: railcar looks only when it is started. Raises OSError."""
    command = process["args"][0]
    folders = [process.get("cwd", "/")]
    if "/" not in command:
        env = dict(word.partition("=")[::2] for word in process.get("env", []))
        folders = env.get("PATH", _DEFAULT_PATH).split(":")
    for folder in folders:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), ExitStack() as stack:
            open_in_root(os.path.join(folder, command), root, stack)
            return
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command)


def is_below(path: str, folder: str) -> bool:
    """Whether an absolute path is that of a folder, or of something in it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _resolve(path: str, rootfs: str) -> str:
    """The path inside, with every link followed as far as it leads."""
    top = os.path.realpath(rootfs)
    head, rest = path, ""
    while True:
        with contextlib.suppress(FileNotFoundError), ExitStack() as stack:
            found = os.readlink(f"/proc/self/fd/{open_in_root(head, rootfs, stack)}")
            return os.path.normpath(f"/{found[len(top) :]}/{rest}").replace("//", "/")
        head, _, name = head.rpartition("/")
        rest = f"{name}/{rest}"
