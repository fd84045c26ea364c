"""The Protocols of plugin kinds: what a class must have to be a mount or a network. Floor: model.

A kind is a frozen attrs class whose fields, declared with `orchestrator.model.option.option`, are its options; they are
converted and checked like the rest of a definition. It is registered by an entry point whose name is the value of
``type``, in the group ``orchestrator.mounts`` or ``orchestrator.networks``.

A kind that has something to do on the host for each instance (its contribution has `Attachment`s) has two static
methods more, of `Attaching`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from attrs import frozen

from orchestrator.model.attached import KEPT, OWN, SCRATCH, SHARED
from orchestrator.model.contribution import Contribution
from orchestrator.model.facts import Facts, Question
from orchestrator.model.host import Container, Host

_KEY_LENGTH = 12


@frozen
class Use:
    """Where a kind is used: by which container, and for a mount at which destination (for a network it is empty).

    The folders are names that stand for a folder of the instance that is to come, in the source of a mount and in its
    options (``upperdir=…``); `Container` has them as paths.
    """

    container: str
    destination: str = ""
    uid: int = 0
    """Who the application runs as, as far as that is known: as a number, and its group."""
    gid: int = 0

    @property
    def own(self) -> str:
        """A folder that the instance has to itself for this use, in memory."""
        return f"{OWN}/{folder_name(self.destination)}"

    @property
    def scratch(self) -> str:
        """The same on disk, for what may be large."""
        return f"{SCRATCH}/{folder_name(self.destination)}"

    @property
    def shared(self) -> str:
        """A folder in memory that all containers share until the host is booted: for ``shared/TYPE/…`` of a kind."""
        return SHARED

    @property
    def kept(self) -> str:
        """A folder on disk that lasts, for ``kept/TYPE/…`` of a kind."""
        return KEPT


def folder_name(destination: str) -> str:
    """What a folder for the use of a kind is called, whatever characters and length a destination has."""
    return hashlib.sha256(destination.encode()).hexdigest()[:_KEY_LENGTH] if destination else "network"


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


@runtime_checkable
class AskingByUse(Protocol):
    """A kind whose questions depend on where it is used: it is asked for these instead."""

    def questions_for(self, use: Use) -> Iterable[Question]:
        """What must be known of the world before `contribute` for this use."""
        ...


@runtime_checkable
class Keeping(Protocol):
    """A kind that keeps something in ``kept/volumes/NAME``: `orchestrator volumes` tells of it, and removes none that
    somebody uses."""

    def volumes(self, use: Use) -> Iterable[str]:
        """The names of the volumes that it keeps for this use. Pure."""
        ...


@runtime_checkable
class Attaching(Protocol):
    """A kind that does something on the host for each instance.

    Both are called in a thread of their own, so they may block; they have a minute. They go by ``work`` alone, as the
    contribution had it: an agent that undoes what another has done, perhaps with another version of the kind, knows no
    options. Both are idempotent: an agent may be killed in the midst of either, and the next one calls `detach`.
    """

    @staticmethod
    def attach(work: Mapping[str, Any], container: Container, host: Host) -> Mapping[str, Any] | None:
        """Do it. Returns what `detach` has to know beside ``work``: plain JSON data without secrets, written down.

        Raises HostFailed, whose text people are told; then what was done is undone by `detach`.
        """
        ...

    @staticmethod
    def detach(work: Mapping[str, Any], state: Mapping[str, Any] | None, container: Container, host: Host) -> None:
        """Undo it, when the container is gone. state: what `attach` returned; None where it did not come to its end.

        Raises HostFailed: then it is called again, later.
        """
        ...
