"""A source: the text of one file of the watched directory, as it is now. Floor: model."""

from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen

from orchestrator.model.place import KeyPath, Place
from orchestrator.model.pluginfile import PluginFile
from orchestrator.model.store import StoreLink


class Form(Enum):
    """How a definition is written; the value is the suffix of its file."""

    TOML = ".toml"
    JSON = ".json"
    NIX = ".nix"
    """An expression of the Nix language, to be built by the host's nix: see `Built`."""


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
class NixPlace:
    """Where a key stands that a Nix expression gives: not always in the file itself, but in one that it imports."""

    file: str
    place: Place


@frozen
class Built:
    """What a Nix expression was built to: ``output`` is the store path of the definition as JSON, ``text`` what that
    says. ``places`` is where Nix has its keys from, as far as it knows, None until that is asked."""

    output: str
    text: str
    places: Mapping[KeyPath, NixPlace] | None = field(default=None, hash=False)


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
    links: tuple[StoreLink, ...] = field(default=(), eq=False)
    """Where links into a store led when that was kept: it is gone back to these store paths, and not to others."""
    built: Built | None = None
    """Of a Nix expression, once it was built."""


@frozen
class Listing:
    """What the watched directory holds at one moment.

    ``error`` is set when the directory as a whole could not be read (missing, no rights); nothing may be concluded
    from the absence of a name then. ``plugins`` are the files of its plugins folder, by name.
    """

    sources: tuple[Source, ...]
    error: str | None = None
    plugins: tuple[PluginFile, ...] = ()
