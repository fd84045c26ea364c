"""Which kinds a file of the plugins folder has. Floor: system.

How a file is loaded is a matter of its suffix: `LOADERS`.
"""

import os
from collections.abc import Callable, Mapping

from orchestrator.core.foreign import ForeignFailed, call_foreign
from orchestrator.model.exec_plugin import SUFFIXES
from orchestrator.model.pluginfile import PYTHON, PluginFile
from orchestrator.system.onefile import CannotLoad, FoundKind, load_python
from orchestrator.system.patience import IMPORT, Deadline

Loader = Callable[[PluginFile], tuple[FoundKind, ...]]
"""Loads a file that may be run (`PluginFile.fault` is empty). Called in the main thread, and ended by an exception
after seconds. Raises CannotLoad; anything else that it raises is told as the plugin's failure."""


def load_program_file(file: PluginFile) -> tuple[FoundKind, ...]:
    """The kind that a program is: called as its file, in the group that the file's suffix says. Raises CannotLoad."""
    # Here, since most have no program, and need nothing of this.
    from orchestrator.core.exec_wire import WrongAnswer
    from orchestrator.system.exec_plugins import load_program

    group = SUFFIXES[file.suffix]
    try:
        kind = load_program(os.path.abspath(file.path), group, file.name)
    except WrongAnswer as error:
        raise CannotLoad(str(error)) from error
    return (FoundKind(group, file.name, kind),)


LOADERS: Mapping[str, Loader] = {PYTHON: load_python, **dict.fromkeys(SUFFIXES, load_program_file)}
"""By suffix of the file."""


def load_file(file: PluginFile) -> tuple[FoundKind, ...]:
    """The kinds of a file. Raises CannotLoad."""
    if file.fault:
        raise CannotLoad(file.fault)
    try:
        return call_foreign(None, lambda _: Deadline(IMPORT), lambda: LOADERS[file.suffix](file), CannotLoad)
    except ForeignFailed as failed:
        raise CannotLoad(f"loading it {failed}") from failed
