"""Writes a new project for a plugin, from the files of `orchestrator/project`. Floor: system."""

import os
from importlib.resources import files
from importlib.resources.abc import Traversable

from orchestrator.core.project import ProjectNames, fill_in
from orchestrator.ports import OutsideError
from orchestrator.system.files import write_atomic

SUFFIX = ".in"
"""What the name of a file ends with that is to be filled in."""


class ProjectNotWritten(OutsideError):
    """A project could not be written."""


def write_project(names: ProjectNames, folder: str) -> tuple[str, ...]:
    """Write it into an absolute folder, which may be there if it is empty; the paths in it, sorted.

    Raises ProjectNotWritten."""
    templates = files("orchestrator").joinpath("project")
    found: dict[str, str] = {}
    for place in ("common", names.noun):
        found |= _read(templates.joinpath(place), "")
    written = {fill_in(path.removesuffix(SUFFIX), names): fill_in(text, names) for path, text in found.items()}
    try:
        os.makedirs(folder, exist_ok=True)
        if os.listdir(folder):
            raise ProjectNotWritten(f"cannot write a project into {folder}: it is not empty")
        for path, text in written.items():
            os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
            write_atomic(f"{folder}/{path}", text.encode(), 0o666)  # less what the umask says, as editors write
    except OSError as error:
        raise ProjectNotWritten(f"cannot write a project into {folder}: {error.strerror}") from error
    return tuple(sorted(written))


def _read(folder: Traversable, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in folder.iterdir():
        below = f"{path}{each.name}"
        found |= _read(each, f"{below}/") if each.is_dir() else {below: each.read_text()}
    return found
