"""Calls code that may be anybody's, that of plugin kinds: whatever it raises, and whether it comes back at all, is told
in one line and disturbs nothing else. Floor: core.
"""

import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

T = TypeVar("T")

DEFECT = "this is a defect of the plugin, not of the definition"
"""The hint of a fault that no edit of the definition mends."""

_BETWEEN = (
    "/importlib/__init__.py",
    "/orchestrator/core/foreign.py",
    "/orchestrator/core/plugged.py",
    "/orchestrator/system/entrypoints.py",
    "/orchestrator/system/patience.py",
)
"""What stands in a traceback between the caller of foreign code and that, or beyond it."""


class OutOfPatience(BaseException):
    """Foreign code took too long, and is left in the midst of what it does. No Exception, so that it is not caught by
    who catches all of those."""


Patience = Callable[[object], AbstractContextManager[None]]
"""Waits for code of a kind (its class, or one made of it): raises OutOfPatience in its midst, or before it where the
same has not come back before. `orchestrator.system.patience` has the real one."""


def wait_for_ever(kind: object) -> AbstractContextManager[None]:
    """A `Patience` that never ends, for who trusts the kind."""
    return nullcontext()


class ForeignFailed(Exception):
    """Foreign code did not do its part; the text says how. ``lasting``: it would not do so again either, whatever the
    host is like by then."""

    def __init__(self, text: str, *, lasting: bool = False) -> None:
        super().__init__(text)
        self.lasting = lasting


def call_foreign(kind: object, patience: Patience, work: Callable[[], T], *passed: type[BaseException]) -> T:
    """What ``work`` returns, which calls code of ``kind``. Raises ForeignFailed, and what it raises of ``passed``. To
    end the process is none of a kind's business, so SystemExit is an error like others; a user's Ctrl-C is not."""
    try:
        with patience(kind):
            return work()
    except OutOfPatience as error:
        raise ForeignFailed(f"{error}{_find_place(error, kind)}", lasting=True) from None
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, *passed)):
            raise
        raise ForeignFailed(f"failed: {describe_error(error, kind)}") from error


def describe_error(error: BaseException, kind: object = None) -> str:
    """An exception of somebody's code in one line: ``ValueError: no such thing (kinds.py, line 12)``. kind: whose code
    it is, if that is known; then the place is in there, however deep it went from there."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    return f"{type(error).__name__}{f': {text}' if text else ''}{_find_place(error, kind)}"


def _find_place(error: BaseException, kind: object) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    files = _files_of(kind if isinstance(kind, type) else type(kind))
    own = [frame for frame in frames if frame.filename in files]
    places = own or [
        frame for frame in frames if not frame.filename.startswith("<") and not frame.filename.endswith(_BETWEEN)
    ]
    return f" ({places[-1].filename.rpartition('/')[2]}, line {places[-1].lineno})" if places else ""


def _files_of(cls: type[Any]) -> set[str]:
    """The files in which a class and those that it is made from have their methods."""
    methods = (getattr(value, "__func__", value) for each in cls.__mro__ for value in vars(each).values())
    files = {method.__code__.co_filename for method in methods if hasattr(method, "__code__")}
    return {file for file in files if not file.startswith("<")}  # what attrs has generated is in no file
