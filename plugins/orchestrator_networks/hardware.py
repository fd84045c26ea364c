"""Hardware addresses as people write them. Floor: plugin."""

import re

_MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")


def check_mac(text: str) -> bool:
    """Whether it is one of an interface of its own: six bytes, neither that of a group nor zero."""
    return bool(_MAC.fullmatch(text)) and not int(text[:2], 16) & 1 and text.strip("0:") != ""
