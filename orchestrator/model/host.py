"""What a plugin kind may do to the host for an instance, as a Protocol, and what it is told of the instance.

`orchestrator.system.plugin_host` has the real one, `orchestrator.testing` a fake. Floor: model.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from attrs import frozen


class HostFailed(Exception):
    """Something could not be done on the host: ``str()`` says in one line what was tried and why it did not work."""


@frozen(kw_only=True)
class Container:
    """An instance, as the kinds that it uses are told of it. Paths are absolute, of the host."""

    name: str
    """The container's name."""
    instance: str
    """The id of this instance; never used again."""
    own: str
    """A folder that the instance has to itself for this use, in memory. It is made when it is first asked for, and gone
    with the instance."""
    scratch: str
    """The same on disk, for what may be large."""
    shared: str
    """A folder in memory that the instances of all containers share until the host is booted."""
    kept: str
    """A folder on disk that lasts."""
    pid: int | None = None
    """Its first process, between create and start; None before, and once it may have ended."""

    @property
    def netns(self) -> str:
        """Its network namespace, as a path; empty where there is none, or none any more."""
        return "" if self.pid is None else f"/proc/{self.pid}/ns/net"


@frozen
class Ran:
    """How a command ended, and what it wrote."""

    code: int
    """Its exit code; 128 and the signal's number where a signal ended it."""
    output: bytes
    errors: bytes

    @property
    def success(self) -> bool:
        """Whether it ended with code 0."""
        return self.code == 0


class Host(Protocol):
    """What a kind may do to the host. Every method blocks, and raises HostFailed for what does not work.

    Paths are absolute and in their shortest form, without ``..``, and the root itself is none. A kind that does its
    work by these alone can be tested with `orchestrator.testing.FakeHost`.
    """

    def run(
        self,
        args: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Ran:
        """Run a program to its end, with its whole process group. args: its absolute path first. env: instead of the
        agent's environment. timeout: seconds; then it is killed, and HostFailed raised."""
        ...

    def mount(self, source: str, target: str, kind: str, options: Sequence[str] = ()) -> None:
        """mount(2), with options as mount(8) has them, whole or not at all. ``target`` has to be there. A bind mount's
        ``ro`` and the like hold for itself, not for what ``rbind`` brings along."""
        ...

    def unmount(self, target: str) -> None:
        """Take away all that is mounted at ``target`` and below, also if it is in use. Nothing where nothing is."""
        ...

    def make_folder(self, path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> bool:
        """Make a folder, whole or not at all, with those that lead to it (these with mode 0755, root's); whether it was
        not there before. One that is there is left as it is."""
        ...

    def write_file(self, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        """Put a file in place, whole or not at all, with the folders that lead to it."""
        ...

    def rewrite_file(self, path: str, data: bytes) -> None:
        """Replace what a file says in place: what is mounted elsewhere follows. It is made (mode 0644, root's) if it is
        not there, with the folders that lead to it."""
        ...

    def read_file(self, path: str, *, limit: int = 1 << 20) -> bytes | None:
        """What a file says; None where there is none. One of more than ``limit`` bytes is HostFailed, as is what is no
        file."""
        ...

    def list_folder(self, path: str) -> tuple[str, ...]:
        """The names in a folder, sorted; none where there is none. What a `write_file` or `make_folder` that was cut
        short has left is not among them."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file or a whole folder, what is mounted there and below from its place first. Nothing where nothing
        is. A link is removed, never followed."""
        ...

    def getenv(self, name: str) -> str | None:
        """A variable of the agent's own environment."""
        ...

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Only one at a time holds the lock of that name: ``with host.lock("bridge/web"):``. The others wait for it,
        and not for ever; one that is taken twice by one call is waited for in vain."""
        ...


def check_path(path: str, what: str) -> None:
    """Raises HostFailed for a path that a host does nothing with: one that leads who knows where from the current
    folder or by ``..``, and the root. what: what is to be done, ``remove``."""
    if not path.startswith("/") or "\0" in path:
        raise HostFailed(f"cannot {what} {path!r}: it is no absolute path")
    if any(name in ("", ".", "..") for name in path[1:].split("/")):
        raise HostFailed(f"cannot {what} {path!r}: it is the root, or not in its shortest form")
