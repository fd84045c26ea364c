"""What is to be done about one name: the result of a plan. Floor: model."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen

from orchestrator.model.bundle import Bundle
from orchestrator.model.contribution import LiveFile, PortClaim
from orchestrator.model.problem import Problem
from orchestrator.model.resources import Resources
from orchestrator.model.source import Source
from orchestrator.model.spec import Policy


@frozen
class Target:
    """What a name is to be: bundle, live resources and the agent's own policy."""

    bundle: Bundle
    resources: Resources
    policy: Policy
    source: Source | None = field(default=None, eq=False, repr=False)
    """What it was made from."""
    fields: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    """What its definition asks for, by dotted path, as far as it is not the default: JSON data, without secrets."""
    live: tuple[LiveFile, ...] | None = field(default=(), repr=False)
    """The files that are rewritten in place where the host says something else; sorted by path. None where an earlier
    agent knew what they say, and it is not written down since there is no instance."""
    claims: tuple[PortClaim, ...] = field(default=(), eq=False, repr=False)
    """The ports of the host that it takes."""


@frozen
class Broken:
    """A name whose definition has problems: what runs goes on, and what does not is started as ``instead``, by its last
    good definition, where there is one."""

    problems: tuple[Problem, ...]
    instead: Target | None = None


@frozen
class Start:
    """Nothing of that name is wanted yet: begin to supervise it."""

    target: Target


@frozen
class Keep:
    """Nothing to do. ``target`` is equal to what there is, though its text may be another; None where there is none, or
    one with problems."""

    target: Target | None = None
    instead: Target | None = None
    """Without ``target``: by what it is to be started once what runs has ended, if it is not known how to make that."""


@frozen
class Retune:
    """Only the agent's own settings differ."""

    target: Target


@frozen
class Update:
    """What a runtime changes live differs (the policy may too)."""

    target: Target


@frozen
class Replace:
    """A new bundle: the old instance is stopped, a new one started."""

    target: Target


@frozen
class Renew:
    """An operator wants another instance, though the one that runs is what it is to be."""

    target: Target


@frozen
class Hold:
    """An operator has stopped it: what it would be is known, and nothing of it is to run."""

    target: Target


@frozen
class Stop:
    """The name is no longer wanted."""


Action = Start | Keep | Retune | Update | Replace | Renew | Hold | Stop


class Verb(Enum):
    """An action in one word, as people and programs are told of it."""

    NOTHING = "nothing"
    RETUNE = "retune"
    UPDATE = "update"
    REPLACE = "replace"
    START = "start"
    STOP = "stop"


@frozen
class FieldChange:
    """A field that differs. ``path`` is dotted, as TOML writes it; None of ``old`` and ``new`` means the default.

    A path that begins with ``host:`` is none of the definition but of what the host made of it (config.json's)."""

    path: str
    old: Any
    new: Any


@frozen(kw_only=True)
class Planned:
    """What would be done about a name, and why."""

    name: str
    verb: Verb
    fields: tuple[FieldChange, ...] = ()
    problems: tuple[Problem, ...] = ()
    """With problems nothing is done, whatever differs, unless it does not run and has a last good definition."""
    held: bool = False
    """An operator has stopped it, so nothing is done either."""
