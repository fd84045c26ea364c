"""A host in memory, for the tests of plugin kinds: `orchestrator.model.host.Host` without a disk and without root.

It behaves as the real one does (one suite runs on both), any call can be made to fail, and an agent that is killed in
the midst can be played. Floor: testing.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from attrs import frozen

from orchestrator.model.host import HostFailed, Ran, check_path
from orchestrator.testing.host_files import FakeFile, FakeFolder, FakeMount, FakeNode, FileTree


class Killed(BaseException):
    """The agent was killed: what a kind raises through, whatever it catches. Nothing that it still does is done."""


@frozen
class Command:
    """A program that was run. ``env`` is None where it was the agent's own."""

    args: tuple[str, ...]
    stdin: bytes = b""
    env: Mapping[str, str] | None = None


Reply = Ran | Callable[[Command], Ran]
"""How a program ends, or what says so for each time that it is run."""


class FakeHost:
    """Implements `orchestrator.model.host.Host` in memory.

    ``calls`` has every call that was carried out or failed: the method, and the path, program or name it was about.
    ``commands`` are the programs that were run. ``resources`` are for the programs of a test: what they make on the
    host beside files and mounts (an interface, an address) their replies add, and take away.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None, environ: Mapping[str, str] | None = None) -> None:
        """files: what is there, by path. environ: the agent's environment."""
        self.calls: list[tuple[str, str]] = []
        self.commands: list[Command] = []
        self.resources: set[str] = set()
        self.environ = dict(environ or {})
        self._tree = FileTree()
        self._replies: dict[str, Reply] = {}
        self._failures: dict[str, tuple[str, int]] = {}
        self._fails_in: int | None = None
        self._killed_in: int | None = None
        self._locks: set[str] = set()
        for path, data in (files or {}).items():
            self._tree.write(path, FakeFile(data))

    def reply(self, program: str, reply: Reply) -> None:
        """From now on there is a program at this absolute path, and ends so."""
        self._replies[program] = reply

    def fail(self, method: str, message: str = "it was told to fail", times: int = 1) -> None:
        """Let the next ``times`` calls of a method raise HostFailed and do nothing."""
        if not callable(getattr(type(self), method, None)):
            raise ValueError(f"a host has no {method!r}")
        self._failures[method] = (message, times)

    def fail_after(self, calls: int) -> None:
        """Let so many calls be carried out, and the one after them raise HostFailed and do nothing."""
        self._fails_in = calls

    def kill_after(self, calls: int) -> None:
        """Let so many calls be carried out, and all after them raise Killed and do nothing, until `restart`."""
        self._killed_in = calls

    def restart(self) -> None:
        """There is a next agent: nothing fails any more, and no lock is held. Files, mounts and resources stay."""
        self._fails_in = self._killed_in = None
        self._failures.clear()
        self._locks.clear()

    @property
    def mounts(self) -> tuple[FakeMount, ...]:
        """What is mounted, in the order in which it was."""
        return tuple(self._tree.mounts)

    def look(self, path: str) -> FakeNode | None:
        """The file or folder at a path, as it is seen; None for nothing. No call of the host."""
        try:
            found = self._tree.find(path)
        except NotADirectoryError:
            return None
        return None if found is None else found[1]

    @property
    def files(self) -> dict[str, bytes]:
        """What the files say that can be seen, by path."""
        return {path: node.data for path, node in self._tree.walk() if isinstance(node, FakeFile)}

    def describe(self, without: Collection[str] = ()) -> list[str]:
        """All that there is, a line each: to be compared with what was there before. without: folders whose files and
        folders are left away; what is mounted there is not."""
        lines = []
        for path, node in self._tree.walk():
            if not any(path == folder or path.startswith(f"{folder}/") for folder in without):
                owner = f"{node.mode:04o} {node.uid}:{node.gid}"
                lines.append(f"{path}/ {owner}" if isinstance(node, FakeFolder) else f"{path} {owner} {node.data!r}")
        lines += [f"{mount.target} mounted: {mount.kind or 'bind'} {mount.source}" for mount in self.mounts]
        return [*lines, *sorted(self.resources), *(f"lock {name}" for name in sorted(self._locks))]

    def run(
        self,
        args: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Ran:
        """See `orchestrator.model.host.Host`. How it ends says `reply`."""
        program = args[0] if args else ""
        with self._call("run", program, f"cannot run {program}"):
            if not program.startswith("/"):
                raise HostFailed(f"cannot run {program or 'nothing'}: it is no absolute path")
            reply = self._replies.get(program)
            if reply is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            command = Command(tuple(args), stdin, None if env is None else dict(env))
            self.commands.append(command)
            return reply if isinstance(reply, Ran) else reply(command)

    def mount(self, source: str, target: str, kind: str, options: Sequence[str] = ()) -> None:
        """See `orchestrator.model.host.Host`. A file system of any kind is an empty folder."""
        with self._call("mount", target, f"cannot mount {kind or 'it'} on {target}"):
            check_path(target, "mount on")
            try:
                self._tree.mount(source, target, kind, options)
            except ValueError as error:
                raise HostFailed(f"cannot mount {kind or 'it'} on {target}: {error}") from error

    def unmount(self, target: str) -> None:
        """See `orchestrator.model.host.Host`."""
        with self._call("unmount", target, f"cannot unmount {target}"):
            check_path(target, "unmount")
            self._tree.unmount(target)

    def make_folder(self, path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> bool:
        """See `orchestrator.model.host.Host`."""
        with self._call("make_folder", path, f"cannot make the folder {path}"):
            check_path(path, "make the folder")
            return self._tree.make_folder(path, mode, uid, gid)

    def write_file(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        """See `orchestrator.model.host.Host`."""
        with self._call("write_file", path, f"cannot write {path}"):
            check_path(path, "write")
            self._tree.write(path, FakeFile(bytes(data), mode, uid, gid))

    def rewrite_file(self, path: str, data: bytes) -> None:
        """See `orchestrator.model.host.Host`."""
        with self._call("rewrite_file", path, f"cannot write {path}"):
            check_path(path, "write")
            self._tree.rewrite(path, bytes(data))

    def read_file(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        """See `orchestrator.model.host.Host`."""
        with self._call("read_file", path, f"cannot read {path}"):
            check_path(path, "read")
            node = self.look(path)
            if isinstance(node, FakeFolder):
                raise HostFailed(f"cannot read {path}: it is no file")
            if node is not None and len(node.data) > limit:
                raise HostFailed(f"cannot read {path}: it is larger than {limit} bytes")
            return None if node is None else node.data

    def list_folder(self, path: str) -> tuple[str, ...]:
        """See `orchestrator.model.host.Host`."""
        with self._call("list_folder", path, f"cannot look through {path}"):
            check_path(path, "look through")
            node = self.look(path)
            if isinstance(node, FakeFile):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            return () if node is None else tuple(sorted(node.entries))

    def remove(self, path: str) -> None:
        """See `orchestrator.model.host.Host`."""
        with self._call("remove", path, f"cannot remove {path}"):
            check_path(path, "remove")
            self._tree.remove(path)

    def getenv(self, name: str) -> str | None:
        """See `orchestrator.model.host.Host`."""
        return self.environ.get(name)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """See `orchestrator.model.host.Host`. One that is held is never given up by waiting: HostFailed at once."""
        with self._call("lock", name, f"cannot lock {name}"):
            if name in self._locks:
                raise HostFailed(f"somebody else holds the lock {name}")
            self._locks.add(name)
        try:
            yield
        finally:
            self._locks.discard(name)

    @contextlib.contextmanager
    def _call(self, method: str, about: str, what: str) -> Iterator[None]:
        if self._killed_in is not None:
            if self._killed_in <= 0:
                raise Killed
            self._killed_in -= 1
        self.calls.append((method, about))
        if self._fails_in is not None:
            self._fails_in -= 1
            if self._fails_in < 0:
                self._fails_in = None
                raise HostFailed(f"{what}: it was told to fail")
        message, times = self._failures.get(method, ("", 0))
        if times:
            self._failures[method] = (message, times - 1)
            raise HostFailed(f"{what}: {message}")
        try:
            yield
        except OSError as error:
            raise HostFailed(f"{what}: {error.strerror}") from error
