"""What this process may give to others: its bounding set of capabilities. Floor: system."""

import re

_EVERYTHING = 2**64 - 1


def read_bounding_set(status: str = "/proc/self/status") -> int:
    """A bit for each capability by its number (CapBnd of proc(5)); those that the kernel lacks are not in it.

    It only changes if this process gives some up (capabilities(7)), which the agent never does. All bits where the
    file does not say: a runtime finds out what cannot be given, and tells.
    """
    try:
        with open(status, encoding="ascii", errors="replace") as file:
            match = re.search(r"^CapBnd:\s*([0-9a-f]+)$", file.read(), re.MULTILINE)
    except OSError:
        return _EVERYTHING
    return int(match[1], 16) if match else _EVERYTHING
