"""How a field of the model is declared: once, with all that the parser, the planner and the reference page need.

Floor: model.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Any

import attrs
from attrs import NOTHING


class Change(Enum):
    """What an edit of a field makes of a container that runs."""

    RETUNE = "retune"
    """Only the agent's own settings differ: no process is touched."""
    UPDATE = "update"
    """The runtime changes it live: same process."""
    REPLACE = "replace"
    """The old instance is stopped and a new one started."""
    BY_VALUE = "by value"
    """To or from one of the values that `option` names as ``replacing`` the old instance is stopped and a new one
    started; between others only the agent's own settings differ."""
    BY_FIELD = "by field"
    """A table whose own fields say it."""


def option(
    *,
    default: Any = NOTHING,  # noqa: ANN401 - the type of an attrs field is the class body's annotation
    factory: Any = None,  # noqa: ANN401 - as above
    doc: str,
    change: Change,
    minimum: float | None = None,
    maximum: float | None = None,
    example: str = "",
    replacing: tuple[str, ...] = (),
) -> Any:  # noqa: ANN401 - attrs.field is typed so too
    """Declare a field of a definition or of a plugin kind.

    doc: one or two sentences for the reference page. change: what an edit of it does. minimum, maximum: the
    inclusive range of a number, in the unit of the type (seconds, bytes). example: a TOML value. replacing: of what
    changes `Change.BY_VALUE`, the values as a file writes them; the default is none of them.
    """
    metadata = {
        "doc": doc,
        "change": change,
        "minimum": minimum,
        "maximum": maximum,
        "example": example,
        "replacing": replacing,
    }
    if factory is not None:
        return attrs.field(factory=factory, metadata=metadata)
    return attrs.field(default=default, metadata=metadata)


def part(doc: str, **more: Any) -> Any:  # noqa: ANN401 - as `option` has it
    """Declare a key of what is no definition and is read as strictly: a file of another's format, what a program
    prints."""
    return option(doc=doc, change=Change.REPLACE, **more)


def options_of(cls: type) -> Iterator["attrs.Attribute[Any]"]:
    """The declared fields of an options class, in the order of its source."""
    yield from attrs.fields(cls)
