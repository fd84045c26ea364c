"""What kind of file system a path lies on, asked by statfs(2): which send no inotify events for what others do to
them, which are in memory, and which are read-only. Floor: system."""

import ctypes
import os

_NAMES = {
    0x6969: "NFS",
    0x65735546: "FUSE",
    0x517B: "SMB",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB2",
    0x01021997: "9P",
    0x00C36400: "Ceph",
    0x5346414F: "AFS",
    0x6B414653: "kAFS",
    0x73757245: "Coda",
    0x0BD00BD0: "Lustre",
    0x47504653: "GPFS",
    0x01161970: "GFS2",
    0x7461636F: "OCFS2",
    0x9FA0: "proc",
    0x62656572: "sysfs",
}
"""The magic numbers of statfs(2): those whose files change on another machine or without a file operation."""

_TMPFS = 0x01021994

_libc = ctypes.CDLL(None, use_errno=True)
_libc.statfs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
_libc.statfs.restype = ctypes.c_int


def name_silent_filesystem(path: str) -> str:
    """The name of the file system that ``path`` lies on if inotify cannot be relied on there, else an empty string;
    empty too where it cannot be asked (``path`` is missing). May block where the file system does."""
    return _NAMES.get(_read_magic(path) or 0, "")


def is_on_tmpfs(path: str) -> bool:
    """Whether ``path`` lies in memory, tmpfs(5); not where it is missing. May block where the file system does."""
    return _read_magic(path) == _TMPFS


def is_readonly(path: str) -> bool:
    """Whether nothing can be written at ``path`` since it is mounted so; not where it is missing. May block."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _read_magic(path: str) -> int | None:
    # struct statfs is about 120 bytes; its first field is f_type, a word of the processor's size.
    buffer = (ctypes.c_long * 64)()
    if _libc.statfs(os.fsencode(path), buffer) != 0:
        return None
    return int(buffer[0] & 0xFFFFFFFF)
