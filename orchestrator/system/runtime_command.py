"""One command of an OCI runtime: how it is put together, what becomes of it, and its own message.

What differs between runtimes is in two methods, which `orchestrator.system.railcar` overrides; what the commands are
for is `orchestrator.system.runtime`'s business. Floor: system.
"""

import contextlib
import errno
import math
import os
import stat
from collections.abc import Iterator, Mapping, Sequence

import trio

from orchestrator.model.cgroups import CgroupDriver
from orchestrator.ports import OutsideError, RuntimeFailed
from orchestrator.system.reaper import Children
from orchestrator.system.runtime_output import clean_message, find_message, open_scratch, read_from, size_of
from orchestrator.system.spawn import run_command

HUNG_FOR = 60.0
"""How long a runtime that took too long is taken to hang still, unless another command of it ends in time."""
UNRUNNABLE = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ETXTBSY})
"""What execve(2) says of a program that is not there, or not whole: one that is being upgraded, for a moment."""


class RuntimeProgram:
    """The program of a runtime, with the common command line of crun, runc and youki."""

    def __init__(
        self,
        name: str,
        command: str,
        root: str,
        children: Children,
        wrapper: tuple[str, ...],
        environ: Mapping[str, str],
        driver: CgroupDriver,
    ) -> None:
        """As `orchestrator.system.runtime.OciRuntime` has them; environ is clean."""
        self.name = name
        self.command = command
        self.root = root
        self.wrapper = wrapper
        self._children = children
        self._environ = environ
        self._driver = driver
        self._hung_at = -math.inf
        """When a command took too long, trio's clock; -inf once one was in time."""

    def compose(self, action: str, log: str | None) -> tuple[str, ...]:
        """All that stands before the arguments of an action. log: where its own message is to be written."""
        return (
            *(*self.wrapper, self.command, "--root", self.root),
            *(() if log is None else ("--log", log, "--log-format", "json")),
            # What is there already the runtime knows the driver of.
            *(("--systemd-cgroup",) if action == "create" and self._driver is CgroupDriver.SYSTEMD else ()),
            action,
        )

    def find_message(self, log: str, said: str) -> str:
        """Why a command failed, on one line; "" if that is not told. log: what it wrote there. said: its output."""
        lines = said.splitlines()
        return find_message(log) or clean_message(lines[-1] if lines else "")

    def check(self) -> None:
        """Whether it can be run, as far as that can be seen without running it. Raises RuntimeFailed."""
        if not os.access(self.command, os.X_OK):
            number = errno.EACCES if is_there(self.command) else errno.ENOENT
            raise RuntimeFailed(f"cannot run {self.command}: {os.strerror(number)}")
        if trio.current_time() < self._hung_at + HUNG_FOR:
            raise RuntimeFailed(f"{self.command} has not answered in time just now")

    async def ask(self, action: str, instance_id: str, deadline: float) -> str | None:
        """What a command writes to its standard output; None where it fails. Raises RuntimeFailed where it takes too
        long, OSError."""
        with open_scratch() as answer:
            argv = (*self.compose(action, None), instance_id)
            result = await run_command(
                argv, children=self._children, env=self._environ, deadline=deadline, stdout=answer
            )
            text = read_from(f"/proc/self/fd/{answer}", 0)
        if result.timed_out:
            raise RuntimeFailed(f"{self.name}: took longer than {deadline:g} s")
        return text if result.success else None

    async def run(
        self,
        action: str,
        instance_id: str,
        folder: str,
        arguments: Sequence[str],
        deadline: float,
        *,
        stdin: int | None = None,
        output: int | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        """One command, shielded. output: where it, and what it leaves, writes to. descriptors: its own from 3 on.
        Raises RuntimeFailed with the runtime's own message, or OSError."""
        # A removed folder must not keep the runtime from deleting.
        log = f"{folder}/runtime.log" if is_there(folder) else os.devnull
        argv = (*self.compose(action, log), *arguments)
        log_start = size_of(log)
        with trio.CancelScope(shield=True), open_scratch() as scratch:
            stream = scratch if output is None else output
            before = os.fstat(stream)
            try:
                result = await run_command(
                    argv,
                    children=self._children,
                    env=self._environ,
                    deadline=deadline,
                    stdin=stdin,
                    stdout=stream,
                    stderr=stream,
                    descriptors=descriptors,
                )
            except OSError as error:
                if error.errno in UNRUNNABLE:
                    raise RuntimeFailed(f"cannot run {argv[0]}: {error.strerror}") from error
                raise
            self._hung_at = trio.current_time() if result.timed_out else -math.inf
            if result.success:
                return
            # Of the journal, or of what somebody has put in place of a log, nothing can be read back.
            is_file = stat.S_ISREG(before.st_mode)
            said = read_from(f"/proc/self/fd/{stream}", before.st_size) if is_file else ""
        reason = f"took longer than {deadline:g} s" if result.timed_out else result.describe()
        message = self.find_message(read_from(log, log_start), said)
        raise RuntimeFailed(
            f"cannot {action} container {instance_id}: {self.name}: "
            + (f"{reason}: {message}" if message and result.code is None else message or reason)
        )


@contextlib.contextmanager
def failing(what: str, *, always: bool = False) -> Iterator[None]:
    """Make one RuntimeFailed that begins with ``what`` of all that the outside does to a method; one that is such
    already says so itself, unless ``always``."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        raise RuntimeFailed(f"{what}: {where}{error.strerror}") from error
    except OutsideError as error:
        if isinstance(error, RuntimeFailed) and not always:
            raise
        raise RuntimeFailed(f"{what}: {error}") from error


def is_there(path: str) -> bool:
    """Whether something stands at a path, a link that leads nowhere too."""
    return os.path.lexists(path)
