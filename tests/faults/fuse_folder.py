"""A folder served through FUSE by a process that can be stopped (SIGSTOP): then nothing below it answers any more, as
on a network file system whose server is away.

Read-only, without any cache, each file as it is in the folder behind it at that moment. Run as a program, it mounts,
writes a line and serves until it is killed, with which the mount answers ENOTCONN. The protocol: linux/fuse.h, fuse(4).
"""

import ctypes
import errno
import os
import stat
import struct
import sys
from enum import IntEnum

IN_HEADER = struct.Struct("=IIQQIIIHH")
OUT_HEADER = struct.Struct("=IiQ")
INIT_IN = struct.Struct("=II")
INIT_OUT = struct.Struct("=IIIIHHIIHHII6I")
ATTR = struct.Struct("=6Q10I")
ATTR_OUT = struct.Struct("=QII")
ENTRY_OUT = struct.Struct("=QQQQII")
OPEN_OUT = struct.Struct("=QII")
READ_IN = struct.Struct("=QQI")
DIRENT = struct.Struct("=QQII")
STATFS_OUT = struct.Struct("=5Q4I6I")


class Opcode(IntEnum):
    """What is asked, as enum fuse_opcode names it."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    READLINK = 5
    OPEN = 14
    READ = 15
    STATFS = 17
    RELEASE = 18
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42


SILENT = (Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT)
"""What gets no reply."""
DEVICE = "/dev/fuse"
ROOT = 1
MINOR = 31
DIRECT_IO = 1
MS_NOSUID, MS_NODEV = 2, 4


class Folder:
    """Answers requests from a real folder; a node is a path below it."""

    def __init__(self, folder: str) -> None:
        self._paths = {ROOT: folder}
        self._nodes = {folder: ROOT}

    def answer(self, opcode: int, node: int, body: bytes) -> bytes:
        """Raises OSError."""
        path = self._paths.get(node, "")
        match opcode:
            case Opcode.INIT:
                return INIT_OUT.pack(INIT_IN.unpack_from(body)[0], MINOR, 0, 0, 8, 8, 65536, 1, 0, 0, 0, 0, *[0] * 6)
            case Opcode.LOOKUP:
                return self._look_up(os.path.join(path, os.fsdecode(body.rstrip(b"\0"))))
            case Opcode.GETATTR:
                return ATTR_OUT.pack(0, 0, 0) + _pack_attr(os.lstat(path))
            case Opcode.READLINK:
                return os.fsencode(os.readlink(path))
            case Opcode.OPEN | Opcode.OPENDIR:
                return OPEN_OUT.pack(0, DIRECT_IO if opcode == Opcode.OPEN else 0, 0)
            case Opcode.READ:
                _, offset, size = READ_IN.unpack_from(body)
                with open(path, "rb") as file:
                    return os.pread(file.fileno(), size, offset)
            case Opcode.READDIR:
                _, offset, size = READ_IN.unpack_from(body)
                return _list(path, offset, size)
            case Opcode.STATFS:
                return STATFS_OUT.pack(0, 0, 0, 0, 0, 4096, 255, 4096, 0, *[0] * 6)
            case Opcode.RELEASE | Opcode.FLUSH | Opcode.RELEASEDIR | Opcode.DESTROY:
                return b""
        raise OSError(errno.ENOSYS, "")

    def _look_up(self, path: str) -> bytes:
        status = os.lstat(path)
        node = self._nodes.setdefault(path, len(self._nodes) + 1)
        self._paths[node] = path
        return ENTRY_OUT.pack(node, 0, 0, 0, 0, 0) + _pack_attr(status)


def _pack_attr(status: os.stat_result) -> bytes:
    times = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
    return ATTR.pack(
        status.st_ino,
        status.st_size,
        status.st_blocks,
        *(time // 10**9 for time in times),
        *(time % 10**9 for time in times),
        status.st_mode,
        status.st_nlink,
        status.st_uid,
        status.st_gid,
        0,
        4096,
        0,
    )


def _list(path: str, offset: int, size: int) -> bytes:
    listed = b""
    for position, name in enumerate([".", "..", *sorted(os.listdir(path))]):
        mode = os.lstat(os.path.join(path, name)).st_mode
        raw = os.fsencode(name)
        entry = DIRENT.pack(position + 1, position + 1, len(raw), stat.S_IFMT(mode) >> 12) + raw
        entry += bytes(-len(entry) % 8)
        if position >= offset and len(listed) + len(entry) <= size:
            listed += entry
    return listed


def mount(point: str) -> int:
    """Mount there and return the descriptor that requests come from."""
    device = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"test", os.fsencode(point), b"fuse", MS_NOSUID | MS_NODEV, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), point)
    return device


def serve(device: int, folder: Folder) -> None:
    """Answer until the mount is gone."""
    while True:
        try:
            request = os.read(device, 1 << 20)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):  # it was taken back meanwhile
                continue
            return
        _, opcode, unique, node, *_ = IN_HEADER.unpack_from(request)
        if opcode in SILENT:
            continue
        try:
            code, body = 0, folder.answer(opcode, node, request[IN_HEADER.size :])
        except OSError as error:
            code, body = -(error.errno or errno.EIO), b""
        try:
            os.write(device, OUT_HEADER.pack(OUT_HEADER.size + len(body), code, unique) + body)
        except FileNotFoundError:  # nobody waits for it any more
            continue


if __name__ == "__main__":
    opened = mount(sys.argv[2])
    print("mounted", flush=True)
    serve(opened, Folder(sys.argv[1]))
