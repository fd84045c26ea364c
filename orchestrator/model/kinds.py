"""The Protocols of plugin kinds: what a class must have to be a mount or a network. Floor: model.

A kind is a frozen attrs class whose fields, declared with `orchestrator.model.option.option`, are its options; they are
converted and checked like the rest of a definition. It is registered by an entry point whose name is the value of
``type``, in the group ``orchestrator.mounts`` or ``orchestrator.networks``.
"""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from attrs import frozen

from orchestrator.model.contribution import Contribution
from orchestrator.model.facts import Facts, Question


@frozen
class Use:
    """Where a kind is used: by which container, and for a mount at which destination (for a network it is empty)."""

    container: str
    destination: str = ""


@runtime_checkable
class MountKind(Protocol):
    """A kind of mount: the value of ``mounts."/destination"``."""

    def questions(self) -> Iterable[Question]:
        """What must be known of the world before `contribute`."""
        ...

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """What it adds to the container. Pure; the user's mistakes are faults of the contribution."""
        ...


@runtime_checkable
class NetworkKind(Protocol):
    """A kind of network: the value of ``network``."""

    def questions(self) -> Iterable[Question]:
        """What must be known of the world before `contribute`."""
        ...

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """What it adds to the container. Pure; the user's mistakes are faults of the contribution."""
        ...
