"""What a plugin kind may do to the host: `orchestrator.model.host.Host`, for real.

Called in a worker thread of trio; commands are run by the event loop, which knows whose child is whose. Floor: system.
"""

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator, Mapping, Sequence

import trio

from orchestrator.model.host import HostFailed, Ran
from orchestrator.system.files import make_folders, remove_file, remove_tree, rewrite_in_place, write_atomic
from orchestrator.system.reaper import Children
from orchestrator.system.runtime_output import open_scratch
from orchestrator.system.spawn import CommandResult, clean_environment, run_command
from orchestrator.system.unmount import unmount_below

MOST_OUTPUT = 4 << 20
"""Bytes of a command's output that are read."""

LOCK_PATIENCE = 50.0
"""Seconds that a kind waits for a lock that another holds."""

_FLAGS = {
    "ro": 1,
    "nosuid": 2,
    "nodev": 4,
    "noexec": 8,
    "remount": 32,
    "noatime": 1024,
    "bind": 4096,
    "rbind": 4096 | 16384,
    "private": 1 << 18,
    "rprivate": (1 << 18) | 16384,
}
"""The options of mount(8) that are flags of mount(2)."""


class PluginHost:
    """Implements `orchestrator.model.host.Host` for one call of a kind."""

    def __init__(self, children: Children, locks: dict[str, threading.Lock]) -> None:
        """locks: those that all calls share, by name."""
        self._children = children
        self._locks = locks
        self._given_up = False

    def give_up(self) -> None:
        """The call took too long: nothing that it still wants to do is done."""
        self._given_up = True

    def run(
        self,
        args: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Ran:
        """See `orchestrator.model.host.Host`."""
        self._check()
        environ = clean_environment(os.environ) if env is None else dict(env)
        if not args or not args[0].startswith("/"):
            raise HostFailed(f"cannot run {args[0] if args else 'nothing'}: it is no absolute path")
        with contextlib.ExitStack() as stack:
            given, output, errors = (stack.enter_context(open_scratch(text)) for text in (stdin, b"", b""))

            async def run() -> CommandResult:
                return await run_command(
                    list(args),
                    children=self._children,
                    env=environ,
                    deadline=timeout,
                    stdin=given,
                    stdout=output,
                    stderr=errors,
                )

            try:
                result = trio.from_thread.run(run)
            except OSError as error:
                raise HostFailed(f"cannot run {args[0]}: {error.strerror}") from error
            if result.timed_out:
                raise HostFailed(f"{args[0]} took longer than {timeout:g} s")
            code = result.code if result.code is not None else 128 + (result.signal or 0)
            return Ran(code, os.pread(output, MOST_OUTPUT, 0), os.pread(errors, MOST_OUTPUT, 0))

    def mount(self, source: str, target: str, kind: str, options: Sequence[str] = ()) -> None:
        """See `orchestrator.model.host.Host`."""
        self._check()
        flags = 0
        data = []
        for option in options:
            if option in _FLAGS:
                flags |= _FLAGS[option]
            elif option not in ("rw", "defaults"):
                data.append(option)
        libc = ctypes.CDLL(None, use_errno=True)
        result = libc.mount(
            os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), ",".join(data).encode()
        )
        if result:
            raise HostFailed(f"cannot mount {kind} on {target}: {os.strerror(ctypes.get_errno())}")

    def unmount(self, target: str) -> None:
        """See `orchestrator.model.host.Host`."""
        self._check()
        with _failing(f"cannot unmount {target}"):
            unmount_below(target)

    def make_folder(self, path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> bool:
        """See `orchestrator.model.host.Host`."""
        self._check()
        with _failing(f"cannot make the folder {path}"):
            if os.path.isdir(path):
                return False
            make_folders(os.path.dirname(path), 0o755)
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                if os.path.isdir(path):
                    return False
                raise
            os.chown(path, uid, gid)
            os.chmod(path, mode)
            return True

    def write_file(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        """See `orchestrator.model.host.Host`."""
        self._check()
        with _failing(f"cannot write {path}"):
            make_folders(os.path.dirname(path), 0o755)
            write_atomic(path, data, 0o600)
            os.chown(path, uid, gid)
            os.chmod(path, mode)

    def rewrite_file(self, path: str, data: bytes) -> None:
        """See `orchestrator.model.host.Host`."""
        self._check()
        with _failing(f"cannot write {path}"):
            make_folders(os.path.dirname(path), 0o755)
            rewrite_in_place(path, data)

    def read_file(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        """See `orchestrator.model.host.Host`."""
        self._check()
        try:
            with _failing(f"cannot read {path}"), open(path, "rb") as file:
                data = file.read(limit + 1)
        except HostFailed as error:
            if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                return None
            raise
        if len(data) > limit:
            raise HostFailed(f"cannot read {path}: it is larger than {limit} bytes")
        return data

    def list_folder(self, path: str) -> tuple[str, ...]:
        """See `orchestrator.model.host.Host`."""
        self._check()
        with _failing(f"cannot look through {path}"):
            try:
                return tuple(sorted(os.listdir(path)))
            except FileNotFoundError:
                return ()

    def remove(self, path: str) -> None:
        """See `orchestrator.model.host.Host`."""
        self._check()
        with _failing(f"cannot remove {path}"):
            if os.path.isdir(path) and not os.path.islink(path):
                unmount_below(path)
                remove_tree(path)
            else:
                remove_file(path)

    def getenv(self, name: str) -> str | None:
        """See `orchestrator.model.host.Host`."""
        return os.environ.get(name)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """See `orchestrator.model.host.Host`."""
        self._check()
        lock = self._locks.setdefault(name, threading.Lock())
        if not lock.acquire(timeout=LOCK_PATIENCE):
            raise HostFailed(f"somebody else holds the lock {name} since {LOCK_PATIENCE:g} s")
        try:
            self._check()
            yield
        finally:
            lock.release()

    def _check(self) -> None:
        if self._given_up:
            raise HostFailed("it took too long, and is not let go on")


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename and str(error.filename) not in what else ""
        raise HostFailed(f"{what}: {error.strerror or error}{where}") from error
