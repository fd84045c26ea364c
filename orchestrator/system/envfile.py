"""Files of environment variables on the host: their digests for a plan, and what they say for an instance.

Nothing of what they say is in an answer or in a message. The format is `orchestrator.core.envfile`'s. Floor: system.
"""

import hashlib
import os
import stat
import threading
import time
from collections.abc import Iterable

from orchestrator.core.envfile import BadLine, parse_variables
from orchestrator.model.facts import DigestAnswer
from orchestrator.ports import OutsideError

LARGEST_FILE = 64 * 1024
"""Bytes of the largest file of variables."""

PATIENCE = 1.0
"""Seconds that all files of an instance may take, after which the start has failed: a disk that hangs must not hold up
all that the agent supervises."""

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
    return DigestAnswer(hashlib.sha256(data).hexdigest())


class VariableReader:
    """Reads files of variables as they are at a moment, and remembers those that hang."""

    def __init__(self) -> None:
        self._hanging: dict[str, threading.Thread] = {}

    def read(self, paths: Iterable[str]) -> dict[str, str]:
        """The variables of all these files; of a name in two the later file's. Raises VariablesUnusable."""
        variables: dict[str, str] = {}
        for path in paths:
            variables |= self._read_one(path)
        return variables

    def _read_one(self, path: str) -> dict[str, str]:
        before = self._hanging.pop(path, None)
        if before is not None and before.is_alive():
            self._hanging[path] = before
            raise VariablesUnusable(f"cannot read the variables of {path}: it does not answer")
        found: list[dict[str, str] | _Unfit] = []

        def look() -> None:
            try:
                found.append(_read(path)[1])
            except _Unfit as unfit:
                found.append(unfit)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        if not found:
            self._hanging[path] = thread
            raise VariablesUnusable(f"cannot read the variables of {path}: it does not answer")
        if isinstance(found[0], _Unfit):
            raise VariablesUnusable(f"cannot read the variables of {path}: {found[0]}")
        return found[0]


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
