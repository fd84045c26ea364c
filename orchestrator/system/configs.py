"""A bundle's config.json read back, for those who show or compare it. Floor: system."""

import json
from typing import Any

from orchestrator.ports import DiskFailed


def read_config(folder: str) -> dict[str, Any] | None:
    """The config.json in a bundle's folder; None where there is none, or what stands there is no object of JSON.

    Raises DiskFailed if it cannot be read.
    """
    path = f"{folder}/config.json"
    try:
        with open(path, "rb") as file:
            config = json.loads(file.read())
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    except OSError as error:
        raise DiskFailed(f"cannot read {path}: {error.strerror}") from error
    return config if isinstance(config, dict) else None
