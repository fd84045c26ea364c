"""Canonical JSON: one value, one text, so that a digest of it names the value. Floor: core."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:  # noqa: ANN401 - any value that JSON has
    """The JSON text of ``value``: keys sorted, no white space, characters as they are (UTF-8 when encoded).

    Raises ValueError for a number that JSON does not have (NaN), TypeError for a value of another type.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:  # noqa: ANN401 - as above
    """The SHA-256 of its canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
