"""A generation: one accepted state of the whole directory, numbered, kept to be gone back to.

Definitions are kept, bundles only named: who goes back has them made anew, which is cheap, and is told of those that
come out otherwise since the host is another. What stays on disk of bundles is what names use now. Floor: model.
"""

from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen

from orchestrator.model.action import FieldChange
from orchestrator.model.problem import Problem
from orchestrator.model.source import Form
from orchestrator.model.store import StoreLink

GENERATION_SCHEMA = 1
"""The version of a generation's file, and of the pin's."""


@frozen(kw_only=True)
class Accepted:
    """One definition of a generation. Which directory it stood in, and when it was written, make no difference."""

    name: str
    form: Form
    digest: str
    """The SHA-256 of its text, in hexadecimal; the text is stored by it."""
    bundle: str
    """The digest of the bundle that it became on the host as it was."""
    file: str = field(eq=False)
    """The path that it was read from."""
    modified_at: float = field(eq=False)
    """That file's mtime in epoch seconds."""
    since: int = field(eq=False)
    """The number of the generation that brought this text."""
    links: tuple[StoreLink, ...] = field(default=(), eq=False)
    """Where the links into a store led that it names."""


@frozen(kw_only=True)
class Changed:
    """What a generation changed of the one before it, by name, sorted."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Those whose text or bundle is another."""
    plugins: tuple[str, ...] = ()
    """Kinds of plugin that came, went or have another version."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.plugins)


@frozen(kw_only=True)
class Head:
    """What there is to tell of a generation without its definitions."""

    schema: int = GENERATION_SCHEMA
    number: int
    at: float
    """When it was accepted, in epoch seconds."""
    definitions: int
    """How many it has."""
    changed: Changed
    plugins: dict[str, str]
    """The distribution and version of each kind of plugin, by ``GROUP/TYPE``."""


@frozen
class Generation:
    """A generation with all its definitions, by name."""

    head: Head
    definitions: Mapping[str, Accepted] = field(repr=False)


@frozen(kw_only=True)
class Pin:
    """The generation that is followed instead of the directory. ``at``: since when, in epoch seconds."""

    schema: int = GENERATION_SCHEMA
    number: int
    at: float


@frozen(kw_only=True)
class RolledBack:
    """What came of a roll-back."""

    generation: int
    """The one that is pinned now."""
    differing: tuple[str, ...] = ()
    """Names whose bundles come out otherwise than they did then: the host is another."""
    problems: tuple[Problem, ...] = ()
    """Why there is none of others, as the host is now."""


@frozen(kw_only=True)
class Listed:
    """A generation in a list of them. ``live``: it is what is followed now, because it is the newest or is pinned."""

    number: int
    at: float
    live: bool
    pinned: bool
    definitions: int
    changed: Changed


class How(Enum):
    """In which way a name differs between two generations."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@frozen(kw_only=True)
class NameChange:
    """A name that differs between two generations. With neither fields nor a note what differs means nothing: comments,
    the order of keys."""

    name: str
    how: How
    fields: tuple[FieldChange, ...] = ()
    note: str = ""
    """Why there are no fields to tell."""


@frozen(kw_only=True)
class Difference:
    """What differs between two generations."""

    old: int
    new: int
    names: tuple[NameChange, ...]
    plugins: tuple[FieldChange, ...]
    """Kinds of plugin by ``GROUP/TYPE``, with distribution and version; None for one that is not there."""
