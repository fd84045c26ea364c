"""What a plugin kind may do to the host: `orchestrator.model.host.Host`, for real.

Called in a worker thread of trio; commands are run by the event loop, which knows whose child is whose. Floor: system.
"""

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import trio

from orchestrator.model.host import HostFailed, Ran, check_path
from orchestrator.system.files import is_temporary, remove_tree, rewrite_in_place
from orchestrator.system.leftovers import MARK
from orchestrator.system.mounting import mount
from orchestrator.system.namedlock import hold_named_lock
from orchestrator.system.owned import make_owned_folder, write_owned_file
from orchestrator.system.reaper import Children
from orchestrator.system.runtime_output import open_scratch
from orchestrator.system.spawn import CommandResult, clean_environment, run_command
from orchestrator.system.unmount import unmount_below

MOST_OUTPUT = 4 << 20
"""Bytes of a command's output that are read."""

LOCK_PATIENCE = 50.0
"""Seconds that a kind waits for a lock that another holds."""

_FOLDERS = "\0folders"
"""The lock that the making of folders takes: a name that no kind gives."""


class PluginHost:
    """Implements `orchestrator.model.host.Host` for one call of a kind."""

    def __init__(
        self,
        children: Children,
        locks: dict[str, threading.Lock],
        find_lock: Callable[[str], str] | None = None,
        instance: str = "",
    ) -> None:
        """locks: those that all calls share, by name. find_lock: the file of a lock, where other processes may want it
        too. instance: for which it is, so that a next agent can tell whose the commands are that run on."""
        self._mark = {MARK: instance} if instance else {}
        self._children = children
        self._locks = locks
        self._find_lock = find_lock
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
        environ = {**(clean_environment(os.environ) if env is None else env), **self._mark}
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
                    session=False,
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
        what = f"cannot mount {kind or 'it'} on {target}"
        with self._doing(what, target, "mount on"):
            try:
                mount(source, target, kind, options)
            except ValueError as error:
                raise HostFailed(f"{what}: {error}") from error

    def unmount(self, target: str) -> None:
        """See `orchestrator.model.host.Host`."""
        with self._doing(f"cannot unmount {target}", target, "unmount"):
            unmount_below(target)

    def make_folder(self, path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> bool:
        """See `orchestrator.model.host.Host`."""
        with self._doing(f"cannot make the folder {path}", path, "make the folder"):
            if os.path.isdir(path):  # it may be on a disk that hangs: so nobody waits for who looks there
                return False
            self._check()
            with self._hold(_FOLDERS, "somebody else makes a folder"):
                return make_owned_folder(path, mode, uid, gid)

    def write_file(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        """See `orchestrator.model.host.Host`."""
        with self._doing(f"cannot write {path}", path, "write"):
            write_owned_file(path, data, mode, uid, gid)

    def rewrite_file(self, path: str, data: bytes) -> None:
        """See `orchestrator.model.host.Host`."""
        with self._doing(f"cannot write {path}", path, "write"):
            if os.path.lexists(path):
                rewrite_in_place(path, data)
            else:
                write_owned_file(path, data, 0o644, 0, 0)

    def read_file(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        """See `orchestrator.model.host.Host`."""
        with self._doing(f"cannot read {path}", path, "read"):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is never waited for
            except (FileNotFoundError, NotADirectoryError):
                return None
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise HostFailed(f"cannot read {path}: it is no file")
                with open(descriptor, "rb", closefd=False) as file:
                    data = file.read(limit + 1)
            finally:
                os.close(descriptor)
        if len(data) > limit:
            raise HostFailed(f"cannot read {path}: it is larger than {limit} bytes")
        return data

    def list_folder(self, path: str) -> tuple[str, ...]:
        """See `orchestrator.model.host.Host`."""
        with self._doing(f"cannot look through {path}", path, "look through"):
            try:
                return tuple(sorted(name for name in os.listdir(path) if not is_temporary(name)))
            except FileNotFoundError:
                return ()

    def remove(self, path: str) -> None:
        """See `orchestrator.model.host.Host`."""
        with self._doing(f"cannot remove {path}", path, "remove"):
            if not os.path.islink(path):
                unmount_below(path)
            try:
                remove_tree(path)
            except NotADirectoryError:  # it is below a file: there is nothing
                return

    def getenv(self, name: str) -> str | None:
        """See `orchestrator.model.host.Host`."""
        return os.environ.get(name)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """See `orchestrator.model.host.Host`."""
        taken = f"somebody else holds the lock {name}"
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._hold(name, taken))
            if self._find_lock is not None:
                path = self._find_lock(name)
                try:
                    stack.enter_context(hold_named_lock(path, LOCK_PATIENCE))
                except TimeoutError as error:
                    raise HostFailed(f"{taken} since {LOCK_PATIENCE:g} s") from error
                except OSError as error:
                    raise HostFailed(f"cannot lock {path}: {error.strerror}") from error
            self._check()
            yield

    @contextlib.contextmanager
    def _hold(self, name: str, taken: str) -> Iterator[None]:
        """Only one thread at a time. taken: what to say when another does not come to an end."""
        self._check()
        lock = self._locks.setdefault(name, threading.Lock())
        if not lock.acquire(timeout=LOCK_PATIENCE):
            raise HostFailed(f"{taken} since {LOCK_PATIENCE:g} s")
        try:
            self._check()
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _doing(self, what: str, path: str, verb: str) -> Iterator[None]:
        self._check()
        check_path(path, verb)
        try:
            yield
        except OSError as error:
            where = f" ({error.filename})" if error.filename and str(error.filename) not in what else ""
            raise HostFailed(f"{what}: {error.strerror or error}{where}") from error

    def _check(self) -> None:
        if self._given_up:
            raise HostFailed("it took too long, and is not let go on")
