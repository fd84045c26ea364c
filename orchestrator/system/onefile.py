"""Loads a Python file of the plugins folder: a module of its own, from the text that was checked and nothing else.

The file is not imported from its path, so that nothing stands between the check and the load, nothing is written beside
it, and it is anew each time that it says something else. Floor: system.
"""

import sys
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from attrs import frozen

from orchestrator.core.foreign import OutOfPatience
from orchestrator.core.misfit import BASES, find_misfit_of_kind
from orchestrator.model.pluginfile import PluginFile
from orchestrator.model.registry import Group

_DIGITS = 12


class CannotLoad(Exception):
    """A plugin cannot be used: why, in one line, and where in the file that is, from 1."""

    def __init__(self, message: str, line: int = 1, hint: str = "", column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.hint = hint
        self.column = column


@frozen
class FoundKind:
    """A kind that a file has. ``misfit``: why it cannot be used, or empty; ``line``: where it stands in the file."""

    group: Group
    name: str
    kind: type[Any] | None
    misfit: str = ""
    line: int = 1


def load_python(file: PluginFile) -> tuple[FoundKind, ...]:
    """Run a file, and find its kinds: each attrs class of its own with a ``type`` and one of the Protocols as a base.
    Raises CannotLoad."""
    name = module_name(file)
    module = ModuleType(name)
    module.__file__ = file.path
    sys.modules[name] = module  # annotations are looked up there
    try:
        _run(file, module)
        found = tuple(_find_kinds(file, module))
        if not found:
            known = " or ".join(base.__name__ for base in BASES.values())
            raise CannotLoad("it has no kind", hint=f"write a class with {known} as its base and a type")
    except BaseException:
        del sys.modules[name]
        raise
    return found


def forget_python(file: PluginFile) -> None:
    """A file is not what it was any more; the classes that were made from it go on, where they are in use."""
    sys.modules.pop(module_name(file), None)


def module_name(file: PluginFile) -> str:
    """What its module is called: of no other file, and of no other text of this one."""
    return f"orchestrator_plugin_{file.name.replace('.', '_')}_{file.digest[:_DIGITS]}"


def _run(file: PluginFile, module: ModuleType) -> None:
    try:
        code = compile(file.code, file.path, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except SyntaxError as error:
        if error.filename != file.path:
            raise CannotLoad(f"SyntaxError: {error}", _find_line(error, file.path)) from error
        raise CannotLoad(f"SyntaxError: {error.msg}", error.lineno or 1, column=error.offset or 1) from error
    except KeyboardInterrupt:
        raise
    except OutOfPatience as error:
        raise CannotLoad(f"loading it {error}", _find_line(error, file.path)) from None
    except BaseException as error:
        text = " ".join(str(error).split())
        message = f"{type(error).__name__}{f': {text}' if text else ''}"
        raise CannotLoad(message, _find_line(error, file.path)) from error


def _find_line(error: BaseException, path: str) -> int:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return next((line for line in reversed(lines) if line), 1)


def _find_kinds(file: PluginFile, module: ModuleType) -> Iterator[FoundKind]:
    for cls in list(vars(module).values()):
        if not isinstance(cls, type) or cls.__module__ != module.__name__ or "type" not in vars(cls):
            continue
        name, group = vars(cls)["type"], next((group for group, base in BASES.items() if base in cls.__mro__), None)
        if not isinstance(name, str):
            continue  # an option of a table inside a kind
        if group is None:
            bases = " or ".join(base.__name__ for base in BASES.values())
            message = f"{cls.__qualname__} has a type, and is no kind: its base must be {bases}"
            raise CannotLoad(message, _find_class(file, cls))
        misfit = find_misfit_of_kind(cls, group, name)
        yield FoundKind(group, name, None if misfit else cls, misfit, _find_class(file, cls))


def _find_class(file: PluginFile, cls: type[Any]) -> int:
    import ast  # for who has a mistake to look for

    for node in ast.walk(ast.parse(file.code)):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            return node.lineno
    return 1
