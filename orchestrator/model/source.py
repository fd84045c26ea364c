"""A source: the text of one file of the watched directory, as it is now. Floor: model."""

from enum import Enum

from attrs import field, frozen


class Form(Enum):
    """How a definition is written; the value is the suffix of its file."""

    TOML = ".toml"
    JSON = ".json"


def form_of(file: str) -> Form:
    """How the file of this name is written; TOML if its suffix is none of a definition's."""
    return next((form for form in Form if file.endswith(form.value)), Form.TOML)


@frozen(kw_only=True)
class Edit:
    """Which state of a file is meant: ``modified_at`` is its mtime in epoch seconds, ``digest`` the SHA-256, in
    hexadecimal, of its text. ``generation`` is set where it is what a generation has kept of the file."""

    file: str
    modified_at: float
    digest: str
    generation: int | None = None


@frozen
class Source:
    """One file that may hold a definition.

    ``name`` is the container's name (the file's name without its suffix), ``file`` the path to show to people.
    Exactly one of ``text`` and ``error`` is set: ``error`` says why the file could not be read (no rights, not UTF-8).
    """

    name: str
    file: str
    text: str | None
    error: str | None = None
    form: Form = Form.TOML
    modified_at: float = field(default=0.0, eq=False)
    """The file's mtime in epoch seconds. Not compared: a file that is written anew with the same text is the same."""
    generation: int | None = field(default=None, eq=False)
    """The generation that has kept the text, where it is not what the directory says now."""


@frozen
class Listing:
    """What the watched directory holds at one moment.

    ``error`` is set when the directory as a whole could not be read (missing, no rights); nothing may be concluded
    from the absence of a name then.
    """

    sources: tuple[Source, ...]
    error: str | None = None
