"""Files of environment variables on the host: their digests for a plan, and what they say for an instance.

Nothing of what they say is in an answer or in a message. The format is `orchestrator.core.envfile`'s. Floor: system.
"""

import hashlib
import os
import stat
import threading
import time
from collections.abc import Iterable, Sequence

from orchestrator.core.envfile import BadLine, parse_variables
from orchestrator.model.facts import DigestAnswer
from orchestrator.model.spec import EnvFileUse
from orchestrator.ports import OutsideError

LARGEST_FILE = 64 * 1024
"""Bytes of the largest file of variables."""

PATIENCE = 1.0
"""Seconds that all files of one instance may take together, after which the start has failed: a disk that hangs must
not hold up all that the agent supervises."""

NO_ANSWER = "it does not answer"
"""Why a file cannot be read whose file system hangs."""

STILL = 0.05
"""Seconds without a change after which a file is taken to be whole: an editor that makes it anew has written it by
then. What is half written may be good too, and would replace a container."""

_LOOKS = 10
"""How often it is waited for; what never rests is taken as it is."""

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class VariablesUnusable(OutsideError):
    """A file of variables cannot be read, or a line of it is none; the message names the file."""


def digest_variables(path: str) -> DigestAnswer:
    """The digest of a file of variables, or why it is none. Blocks, perhaps for ever; raises nothing."""
    try:
        _wait_until_still(path)
        data, _ = _read(path)
    except _Unfit as unfit:
        return DigestAnswer(None, str(unfit))
    return DigestAnswer(_digest(data))


class VariableReader:
    """Reads files of variables as they are at a moment, and remembers those that hang.

    Whoever asks is blocked, an event loop with all its tasks too: by all files of one instance together for at most
    `PATIENCE`, and not at all where one of them is known to hang still.
    """

    def __init__(self) -> None:
        self._hanging: dict[str, threading.Thread] = {}

    def read(self, files: Iterable[EnvFileUse]) -> dict[str, str]:
        """The variables of all these files; of a name in two the later file's. Raises VariablesUnusable, also for
        a file that does not say any more what its digest is of."""
        wanted = tuple(files)
        for file in wanted:
            self._refuse_hanging(file.path)
        if not wanted:
            return {}
        reading = _Reading(wanted)
        thread = threading.Thread(target=reading.run, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        if thread.is_alive():
            reading.given_up = True
            self._hanging[reading.path] = thread
            raise _refuse(reading.path, NO_ANSWER)
        if reading.unfit is not None:
            raise _refuse(reading.path, str(reading.unfit))
        return reading.variables

    def _refuse_hanging(self, path: str) -> None:
        before = self._hanging.get(path)
        if before is None:
            return
        if before.is_alive():
            raise _refuse(path, NO_ANSWER)
        del self._hanging[path]


class _Reading:
    """Files of variables that a thread reads, one after the other."""

    def __init__(self, files: Sequence[EnvFileUse]) -> None:
        self._files = files
        self.path = files[0].path
        """The one that is read now, or was read last."""
        self.variables: dict[str, str] = {}
        self.unfit: _Unfit | None = None
        """What is wrong with ``path``."""
        self.given_up = False
        """Whether nobody waits for it any more: no further file is read then."""

    def run(self) -> None:
        for file in self._files:
            self.path = file.path
            try:
                self.variables |= _read_expected(file)
            except _Unfit as unfit:
                self.unfit = unfit
            if self.unfit is not None or self.given_up:
                return


def _read_expected(file: EnvFileUse) -> dict[str, str]:
    """What a file says, if that is what a plan was made with. Raises _Unfit."""
    data, variables = _read(file.path)
    if file.digest is not None and _digest(data) != file.digest:
        raise _Unfit("it has changed meanwhile")
    return variables


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _refuse(path: str, why: str) -> VariablesUnusable:
    return VariablesUnusable(f"cannot read the variables of {path}: {why}")


class _Unfit(Exception):
    """Why a file is no file of variables."""


def _wait_until_still(path: str) -> None:
    """Wait until a file was not written for a moment; at once where that was long ago, or there is none."""
    for _ in range(_LOOKS):
        try:
            age = time.time() - os.stat(path).st_mtime
        except (OSError, ValueError):
            return
        if not 0 <= age < STILL:
            return
        time.sleep(STILL - age)


def _read(path: str) -> tuple[bytes, dict[str, str]]:
    """The bytes of a file of variables and what they say. Raises _Unfit."""
    try:
        # To open a device may do something to it, so the kind is asked first; and again of what was opened, since the
        # name may lead elsewhere by then (hence O_NONBLOCK, with which a FIFO does not wait).
        _refuse_irregular(os.stat(path))
        descriptor = os.open(path, _OPEN)
        with open(descriptor, "rb") as file:
            _refuse_irregular(os.fstat(descriptor))
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _Unfit((error.strerror or str(error)).lower()) from None
    except ValueError:  # a NUL or a lone surrogate: no file can be called so
        raise _Unfit("no such file or directory") from None
    if len(data) > LARGEST_FILE:
        raise _Unfit(f"it is larger than {LARGEST_FILE // 1024} KiB, the limit")
    variables = parse_variables(data)
    if isinstance(variables, BadLine):
        raise _Unfit(str(variables))
    return data, variables


def _refuse_irregular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _Unfit("it is not a regular file")
