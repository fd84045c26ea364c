"""Files of environment variables on the host: their digests for a plan, and what they say for an instance.

Nothing of what they say is in an answer or in a message. The format is `orchestrator.core.envfile`'s. Floor: system.
"""

import hashlib
import threading
from collections.abc import Iterable, Sequence

from orchestrator.core.envfile import BadLine, parse_variables
from orchestrator.model.facts import DigestAnswer
from orchestrator.model.spec import EnvFileUse
from orchestrator.ports import OutsideError
from orchestrator.system.contents import Unfit, read_regular, wait_until_still

LARGEST_FILE = 64 * 1024
"""Bytes of the largest file of variables."""

PATIENCE = 1.0
"""Seconds that all files of one instance may take together, after which the start has failed: a disk that hangs must
not hold up all that the agent supervises."""

NO_ANSWER = "it does not answer"
"""Why a file cannot be read whose file system hangs."""


class VariablesUnusable(OutsideError):
    """A file of variables cannot be read, or a line of it is none; the message names the file."""


def digest_variables(path: str) -> DigestAnswer:
    """The digest of a file of variables, or why it is none. Blocks, perhaps for ever; raises nothing."""
    try:
        wait_until_still(path)
        data, _ = _read(path)
    except Unfit as unfit:
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
        self.unfit: Unfit | None = None
        """What is wrong with ``path``."""
        self.given_up = False
        """Whether nobody waits for it any more: no further file is read then."""

    def run(self) -> None:
        for file in self._files:
            self.path = file.path
            try:
                self.variables |= _read_expected(file)
            except Unfit as unfit:
                self.unfit = unfit
            if self.unfit is not None or self.given_up:
                return


def _read_expected(file: EnvFileUse) -> dict[str, str]:
    """What a file says, if that is what a plan was made with. Raises Unfit."""
    data, variables = _read(file.path)
    if file.digest is not None and _digest(data) != file.digest:
        raise Unfit("it has changed meanwhile")
    return variables


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _refuse(path: str, why: str) -> VariablesUnusable:
    return VariablesUnusable(f"cannot read the variables of {path}: {why}")


def _read(path: str) -> tuple[bytes, dict[str, str]]:
    """The bytes of a file of variables and what they say. Raises Unfit."""
    data = read_regular(path, LARGEST_FILE)
    variables = parse_variables(data)
    if isinstance(variables, BadLine):
        raise Unfit(str(variables))
    return data, variables
