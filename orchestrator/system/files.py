"""Files and folders put in place and removed so that nobody ever sees half of one. Floor: system.

What is written, and where, is left to the callers. Errors are OSError; the callers know what was tried for whom.
"""

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.system.mountinfo import find_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator


def write_atomic(path: str, data: bytes, mode: int = 0o600, *, durable: bool = False, synced: bool = False) -> None:
    """Put a file in place by temporary name and rename(2): readers see the old content or the new, whole.

    The temporary name is fixed (``.NAME.tmp`` beside it), so that a crash leaves one such file at most; there must be
    one writer of a path at a time. durable: fsync(2) the content before the rename and the folder after it, for what
    must outlive a power cut; without, a file may be empty or old after one.
    """
    temporary = temporary_name(path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            write_all(descriptor, data)
            if durable or synced:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError:
        remove_file(temporary)
        raise
    if durable:
        sync_folder(os.path.dirname(path))


def rewrite_in_place(path: str, data: bytes, mode: int = 0o644) -> None:
    """Make a file say something else and stay the file that it is, so that what is mounted elsewhere follows. A reader
    in that moment may see a part of the old or of the new; nobody sees it empty but for the time of two system calls.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        write_all(descriptor, data)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)


def sync_folder(path: str) -> None:
    """fsync(2) a folder, so that what was renamed or removed in it is so after a power cut too."""
    with open_folder(path) as descriptor:
        os.fsync(descriptor)


def temporary_name(path: str) -> str:
    """Where `write_atomic` writes first."""
    folder, name = os.path.split(path)
    return f"{folder}/.{name}.tmp"


def is_temporary(name: str) -> bool:
    """Whether a file of that name is one of `write_atomic`'s that is not in place yet."""
    return name.startswith(".") and name.endswith(".tmp")


def append_line(path: str, line: bytes, mode: int) -> None:
    """Add a line (with its end) to a file that readers follow: all of it, or nothing where the disk is full."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        written = os.write(descriptor, line)
        if written < len(line):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """write(2) until all is written: a full disk may take a part first."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def remove_file(path: str) -> None:
    """unlink(2); none there is no error, on a read-only file system neither."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.EROFS or os.path.lexists(path):
            raise


def make_folders(path: str, mode: int) -> None:
    """Make a folder, missing parents too (0755). One that stands there keeps its mode: it is the administrator's."""
    try:
        os.mkdir(path, mode)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return
    os.chmod(path, mode)  # whatever the umask said


def need_room(folder: str, size: int) -> None:
    """Raises OSError (ENOSPC) where the file system of ``folder`` has less room than so many bytes, or no file left."""
    room = os.statvfs(folder)
    # Neither is counted by every file system: a limit of 0 is none.
    is_full = room.f_blocks and room.f_bfree * room.f_frsize < size
    if is_full or (room.f_files and not room.f_ffree):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def open_folder(path: str, parent: int | None = None) -> "Iterator[int]":
    """A descriptor of a folder, never of what a link leads to."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def remove_tree(path: str) -> None:
    """rm -r: the file, link or folder at ``path`` with all below it. None there is no error. Links are removed, never
    followed. What an application made may be deeper than a stack or a table of descriptors allows, so nothing recurs:
    a folder in a folder is first moved up to the top.

    Raises OSError; EBUSY, before anything is removed, where something is mounted below (a bind mount's content is not
    ours to remove).
    """
    try:
        remove_file(path)
        return
    except (IsADirectoryError, PermissionError):  # EPERM is what POSIX asks of unlink(2) of a folder
        if not os.path.isdir(path):
            raise
    _refuse_mounted(path)
    _allow(path)
    with open_folder(path) as top:
        _empty(top)
    os.rmdir(path)


def move_tree(path: str, target: str) -> None:
    """rename(2) a file, link or folder to where nothing is yet, in another folder of the same file system.

    Raises OSError; EBUSY where something is mounted below, which would move along; EXDEV for another file system.
    """
    if os.path.isdir(path) and not os.path.islink(path):
        _refuse_mounted(path)
        _allow(path)  # its own ".." is written
    os.rename(path, target)


def _refuse_mounted(path: str) -> None:
    if mounted := find_mounts(path):
        raise OSError(errno.EBUSY, "something is mounted there", mounted[0])


def _empty(top: int) -> None:
    moved = f".removed-{os.urandom(8).hex()}-"
    count = 0
    pending = [entry.name for entry in _scan(top) if not _remove_leaf(entry, top)]
    while pending:
        name = pending.pop()
        _allow(name, top)
        with open_folder(name, top) as folder:
            for entry in _scan(folder):
                if not _remove_leaf(entry, folder):
                    count += 1
                    _allow(entry.name, folder)  # a folder's own ".." is written by its move
                    os.rename(entry.name, f"{moved}{count}", src_dir_fd=folder, dst_dir_fd=top)
                    pending.append(f"{moved}{count}")
        os.rmdir(name, dir_fd=top)


def _scan(folder: int) -> "list[os.DirEntry[str]]":
    with os.scandir(folder) as entries:
        return list(entries)


def _remove_leaf(entry: "os.DirEntry[str]", folder: int) -> bool:
    """Whether it was no folder, and is gone now."""
    if entry.is_dir(follow_symlinks=False):
        return False
    os.unlink(entry.name, dir_fd=folder)
    return True


def _allow(name: str, parent: int | None = None) -> None:
    """Without root, a folder's own mode may forbid its owner to empty it."""
    if os.geteuid() == 0:
        return
    descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{descriptor}", 0o700)  # fchmod(2) refuses an O_PATH descriptor
    finally:
        os.close(descriptor)
