"""What a plugin kind adds to a container. Floor: model."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen

from orchestrator.model.entry import Entry
from orchestrator.model.oci import DeviceNode, Hook, Mount, Namespace
from orchestrator.model.place import KeyPath
from orchestrator.model.problem import Fault


class Stage(Enum):
    """When a kind does its part on the host."""

    PREPARE = "prepare"
    """Before the runtime's create: what is mounted has to be there by then."""
    CONNECT = "connect"
    """Between create and start: the container's namespaces are there, and nothing of it runs yet."""


@frozen(kw_only=True)
class Attachment:
    """What a kind is to do on the host for each instance: ``work`` is handed to its ``attach`` and ``detach``.

    ``work`` is plain JSON data without secrets. It is a part of the bundle, so that other work is another container,
    and it is written down, so that a next agent, with a next version of the kind, can undo it.
    """

    stage: Stage = Stage.PREPARE
    work: Mapping[str, Any] = field(factory=dict)


@frozen
class BundleFile:
    """A small file that is a part of the bundle and is mounted read-only at ``path`` inside."""

    path: str
    text: str
    mode: int = 0o444


@frozen
class LiveFile:
    """A small file that is mounted read-only at ``path`` inside and follows the facts: where its text is another, it is
    rewritten in place, and the container goes on. So its text is in no digest."""

    path: str
    text: str
    mode: int = 0o444
    over_hosts: bool = False
    """Only where the root file system would have the host's own file of that path, in its place; a root that is a
    folder of the host keeps what it has."""


PATHS = "unix"
"""The ``protocol`` of a `PortClaim` that is of a path, its ``address``; there is no port then."""


@frozen(kw_only=True)
class PortClaim:
    """A port of the host that a container takes: two that take the same are a problem of both.

    ``address`` is empty for all of the host's. ``path`` is that of the option that says so, relative to the kind's own
    table.
    """

    protocol: str
    """``tcp``, ``udp`` or ``sctp``."""
    port: int
    address: str = ""
    path: KeyPath = ()
    shared: bool = False
    """Whether others who share it may take it too (SO_REUSEPORT, socket(7))."""
    ipv6_only: bool = False
    """Of ``::``: whether it is of no IPv4 (IPV6_V6ONLY, ipv6(7))."""


@frozen(kw_only=True)
class Contribution:
    """A part of a spec, as data.

    ``env`` fills in what the definition leaves unset. ``namespaces`` are added to pid, mount, ipc, uts and cgroup.
    ``devices`` are there beside those of the definition, ``hooks`` are run by the runtime, ``groups`` are further
    groups of the application.
    ``faults`` are the user's mistakes that only the facts could show, their paths relative to the kind's own table.
    ``attach`` is what is to be done on the host for each instance, in order. ``files`` and ``live`` are mounted, and
    need no mount of their own. ``contents`` are texts that make it another container where they are others, as digests
    of what files say do: they are a part of the bundle's digest, and written nowhere. ``shares_network_of`` is the
    container whose network namespace is joined: it is started before, and this one ends with it.
    """

    mounts: tuple[Mount, ...] = ()
    env: Mapping[str, str] = field(factory=dict)
    namespaces: tuple[Namespace, ...] = ()
    capabilities: tuple[str, ...] = ()
    devices: tuple[DeviceNode, ...] = ()
    hooks: tuple[Hook, ...] = ()
    groups: tuple[int, ...] = ()
    entries: tuple[Entry, ...] = ()
    files: tuple[BundleFile, ...] = ()
    live: tuple[LiveFile, ...] = ()
    attach: tuple[Attachment, ...] = ()
    claims: tuple[PortClaim, ...] = ()
    contents: tuple[str, ...] = ()
    shares_network_of: str = ""
    faults: tuple[Fault, ...] = ()
