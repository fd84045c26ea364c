"""A source: the text of one file of the watched directory, as it is now. Floor: model."""

from attrs import frozen


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


@frozen
class Listing:
    """What the watched directory holds at one moment.

    ``error`` is set when the directory as a whole could not be read (missing, no rights); nothing may be concluded
    from the absence of a name then.
    """

    sources: tuple[Source, ...]
    error: str | None = None
