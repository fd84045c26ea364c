"""Files and folders that belong to somebody, put in place whole: never seen, nor left by a crash, with another owner or
mode than theirs. Floor: system.
"""

import errno
import os

from orchestrator.system.files import open_folder, remove_file, temporary_name, write_all

_UNOWNED = 0o600


def make_owned_folder(path: str, mode: int, uid: int, gid: int) -> bool:
    """Make a folder, with those that lead to it (0755, ours); whether it was not there. One that is there is left as it
    is. One caller at a time. Raises OSError."""
    if os.path.isdir(path):
        return False
    make_way(path)
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    temporary = temporary_name(path)
    if not os.path.isdir(temporary):
        os.mkdir(temporary, 0o700)
    with open_folder(temporary) as folder:
        os.fchown(folder, uid, gid)
        os.fchmod(folder, mode)
    os.rename(temporary, path)
    return True


def write_owned_file(path: str, data: bytes, mode: int, uid: int, gid: int) -> None:
    """Put a file in place, with the folders that lead to it. Raises OSError."""
    make_way(path)
    temporary = temporary_name(path)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, _UNOWNED)
        try:
            os.fchmod(descriptor, _UNOWNED)  # of one that a crash has left
            write_all(descriptor, data)
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError:
        remove_file(temporary)
        raise


def make_way(path: str) -> None:
    """Make the folders that lead to a path, 0755 whatever the umask says. Raises OSError."""
    folder = os.path.dirname(path)
    if os.path.isdir(folder):
        return
    make_way(folder)
    try:
        os.mkdir(folder, 0o755)
    except FileExistsError as error:
        if not os.path.isdir(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from error
        return
    os.chmod(folder, 0o755)
