"""What a command of a runtime says: its JSON log, its output, and the line for people made of them.

Output is caught in anonymous files and never in a pipe. Running the command is the business of
`orchestrator.system.runtime`. Floor: system.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator

from orchestrator.ports import RuntimeFailed, RuntimeStatus

MESSAGE_LIMIT = 500
"""Characters of a runtime's message that are kept."""

_NOT_PRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f]+")


def find_message(log: str) -> str:
    """The last error of a runtime's JSON log (runc and crun order the keys differently), on one line; "" if none."""
    last = ""
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # cut short by a kill
            continue
        if isinstance(entry, dict) and entry.get("level") in ("error", "fatal") and isinstance(entry.get("msg"), str):
            last = entry["msg"]
    return clean_message(last)


def clean_message(text: str) -> str:
    """On one line, without control characters, at most MESSAGE_LIMIT characters."""
    line = _NOT_PRINTABLE.sub(" ", text).strip()
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"


def read_status(text: str) -> RuntimeStatus:
    """What ``state`` prints (runtime-spec runtime.md, "Query State"). Raises RuntimeFailed if it is not that."""
    try:
        state = json.loads(text)
        return RuntimeStatus(str(state["status"]), int(state.get("pid", 0)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RuntimeFailed(f"it says no state: {clean_message(text)}") from error


@contextlib.contextmanager
def open_scratch(content: bytes = b"") -> Iterator[int]:
    """An anonymous file, memfd_create(2), at its beginning. Raises OSError."""
    descriptor = os.memfd_create("orchestrator")
    try:
        os.pwrite(descriptor, content, 0)
        yield descriptor
    finally:
        os.close(descriptor)


def size_of(path: str) -> int:
    """Bytes of a file; 0 where there is none. Raises OSError."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def read_from(path: str, offset: int) -> str:
    """The text of a file from an offset on; "" where there is none. Raises OSError."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
