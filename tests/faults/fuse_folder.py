"""A folder served through FUSE by a process that hangs when it is told to: then nothing below it answers any more, as
on a network file system whose server is away.

Read-only, without any cache, each file as it is in the folder behind it at that moment. Run as a program, it mounts,
writes a line and serves until it is killed, with which the mount answers ENOTCONN. The protocol: linux/fuse.h, fuse(4).
"""

import contextlib
import ctypes
import errno
import os
import select
import stat
import struct
import subprocess
import sys
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.system.mountinfo import read_mounts

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
    """Answer until the mount is gone, and as standard input says: a line ``hang`` or ``serve``, said back when it is
    so.

    It hangs between two requests and takes no other: who waits for one that was taken cannot even be killed."""
    events = select.poll()
    events.register(sys.stdin, select.POLLIN)
    events.register(device, select.POLLIN)
    while True:
        for descriptor, _ in events.poll():
            if descriptor == device:
                if not _answer_one(device, folder):
                    return
                continue
            match sys.stdin.readline():
                case "hang\n":
                    events.unregister(device)
                    print("hang", flush=True)
                case "serve\n":
                    events.register(device, select.POLLIN)
                    print("serve", flush=True)
                case _:
                    return


def _answer_one(device: int, folder: Folder) -> bool:
    """Answer the next request. Whether the mount is there still."""
    try:
        request = os.read(device, 1 << 20)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.EINTR)  # it was taken back meanwhile
    _, opcode, unique, node, *_ = IN_HEADER.unpack_from(request)
    if opcode in SILENT:
        return True
    try:
        code, body = 0, folder.answer(opcode, node, request[IN_HEADER.size :])
    except OSError as error:
        code, body = -(error.errno or errno.EIO), b""
    with contextlib.suppress(FileNotFoundError):  # nobody waits for it any more
        os.write(device, OUT_HEADER.pack(OUT_HEADER.size + len(body), code, unique) + body)
    return True


class MountedFolder:
    """A folder that is mounted elsewhere as well, where it may hang. A context manager."""

    def __init__(self, folder: Path, point: Path) -> None:
        """folder: what is written there is there at once, without an event. point: where it is mounted."""
        assert os.path.exists(DEVICE), f"{DEVICE} is missing: modprobe fuse, and show it to this machine's container"
        self.folder, self.point = folder, point
        self._servers: list[subprocess.Popen[str]] = []
        self.mount()

    def mount(self) -> None:
        """Mount it, over what there is."""
        program = (sys.executable, "-m", "tests.faults.fuse_folder", str(self.folder), str(self.point))
        self._servers.append(subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        self._expect("mounted")

    def hang(self) -> None:
        """From now on nothing below the mount is answered."""
        self._say("hang")

    def answer(self) -> None:
        """All that was asked meanwhile is answered, and what is asked from now on."""
        self._say("serve")

    def die(self) -> None:
        """End the server: all that was and is asked fails."""
        self._servers[-1].kill()
        self._servers[-1].communicate()

    def unmount(self) -> None:
        """Take the mount away; who hangs there goes on to."""
        subprocess.run(("umount", "--lazy", str(self.point)), check=True)

    def _say(self, word: str) -> None:
        pipe = self._servers[-1].stdin
        assert pipe is not None
        pipe.write(f"{word}\n")
        pipe.flush()
        self._expect(word)

    def _expect(self, word: str) -> None:
        pipe = self._servers[-1].stdout
        assert pipe is not None
        assert pipe.readline() == f"{word}\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.kill()
            server.communicate()
        for mount in read_mounts():  # without a look at it, which may fail by now
            if mount.point == str(self.point):
                self.unmount()


if __name__ == "__main__":
    opened = mount(sys.argv[2])
    print("mounted", flush=True)
    serve(opened, Folder(sys.argv[1]))
