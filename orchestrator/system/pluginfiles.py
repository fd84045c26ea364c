"""Which kinds a file of the plugins folder has. Floor: system.

How a file is loaded is a matter of its suffix: `LOADERS`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from orchestrator.model.pluginfile import PluginFile
from orchestrator.model.registry import Group


class CannotLoad(Exception):
    """A plugin cannot be used: why, in one line, and the line of the file where that is, from 1."""

    def __init__(self, message: str, line: int = 1, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.hint = hint


@frozen
class FoundKind:
    """A kind that a file has."""

    group: Group
    name: str
    kind: type[Any]


Loader = Callable[[PluginFile], tuple[FoundKind, ...]]
"""Loads a file that may be run (`PluginFile.fault` is empty). Called in the main thread, and ended by an exception
after seconds. Raises CannotLoad; anything else that it raises is told as the plugin's failure."""

LOADERS: Mapping[str, Loader] = {}
"""By suffix of the file (`orchestrator.model.pluginfile.SUFFIXES`). One that has no loader is a problem."""


def load_file(file: PluginFile) -> tuple[FoundKind, ...]:
    """The kinds of a file. Raises CannotLoad."""
    loader = LOADERS.get(file.suffix)
    if file.fault or loader is None:
        raise CannotLoad(file.fault or f'plugins that end in "{file.suffix}" are not known')
    return loader(file)
