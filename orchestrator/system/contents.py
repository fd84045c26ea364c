"""What small files say that nobody is to see: read whole or refused, and told of by a digest. Floor: system."""

import hashlib
import os
import stat
import time

from orchestrator.model.facts import ContentQuestion, DigestAnswer

LARGEST_CONTENT = 1 << 20
"""Bytes of the largest file that a ContentQuestion asks for: that of a systemd credential (systemd.exec(5))."""

STILL = 0.05
"""Seconds without a change after which a file is taken to be whole: an editor that makes it anew has written it by
then. What is half written may be good too, and would replace a container."""

_LOOKS = 10
"""How often it is waited for; what never rests is taken as it is."""

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class Unfit(Exception):
    """Why a file cannot be gone by."""


def find_credentials() -> str:
    """The folder of the credentials that this process was given; empty where it was given none (systemd.exec(5),
    "CREDENTIALS")."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    return folder.rstrip("/") if folder.startswith("/") else ""


def digest_content(question: ContentQuestion) -> DigestAnswer:
    """The digest of a file, or why there is none. Blocks, perhaps for ever; raises nothing.

    Of a credential that only an agent has, and this process is none, nothing is known, and that is no mistake: neither
    a digest nor a reason."""
    path = question.path
    if question.credential:
        folder = find_credentials()
        if not folder:
            return DigestAnswer(None)
        path = f"{folder}/{path}"
    wait_until_still(path)
    try:
        return DigestAnswer(hashlib.sha256(read_regular(path, LARGEST_CONTENT)).hexdigest())
    except Unfit as unfit:
        return DigestAnswer(None, str(unfit))


def wait_until_still(path: str) -> None:
    """Wait until a file was not written for a moment; at once where that was long ago, or there is none."""
    for _ in range(_LOOKS):
        try:
            age = time.time() - os.stat(path).st_mtime
        except (OSError, ValueError):
            return
        if not 0 <= age < STILL:
            return
        time.sleep(STILL - age)


def read_regular(path: str, most: int) -> bytes:
    """The bytes of a regular file of at most ``most``, a multiple of 1024. Raises Unfit."""
    try:
        # To open a device may do something to it, so the kind is asked first; and again of what was opened, since the
        # name may lead elsewhere by then (hence O_NONBLOCK, with which a FIFO does not wait).
        _refuse_irregular(os.stat(path))
        descriptor = os.open(path, _OPEN)
        with open(descriptor, "rb") as file:
            _refuse_irregular(os.fstat(descriptor))
            data = file.read(most + 1)
    except OSError as error:
        raise Unfit((error.strerror or str(error)).lower()) from None
    except ValueError:  # a NUL or a lone surrogate: no file can be called so
        raise Unfit("no such file or directory") from None
    if len(data) > most:
        raise Unfit(f"it is larger than {most // 1024} KiB, the limit")
    return data


def _refuse_irregular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Unfit("it is not a regular file")
