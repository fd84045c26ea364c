"""Devices of the host: which one stands at a path. Floor: system."""

import os
import stat

from orchestrator.model.facts import DeviceAnswer


def find_device(path: str) -> DeviceAnswer:
    """The device at ``path``, links followed. Blocks where the path's file system does; raises nothing."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return DeviceAnswer("", detail="no such device")
    except OSError as error:
        return DeviceAnswer("", detail=(error.strerror or str(error)).lower())
    except ValueError:
        # A lone surrogate: no file can be called so.
        return DeviceAnswer("", detail="no such device")
    if stat.S_ISCHR(found.st_mode):
        kind = "c"
    elif stat.S_ISBLK(found.st_mode):
        kind = "b"
    else:
        return DeviceAnswer("", detail=f"not a device: {_describe(found.st_mode)}")
    return DeviceAnswer(
        kind,
        major=os.major(found.st_rdev),
        minor=os.minor(found.st_rdev),
        mode=stat.S_IMODE(found.st_mode) & 0o777,
        uid=found.st_uid,
        gid=found.st_gid,
    )


def _describe(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a directory"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a regular file"
