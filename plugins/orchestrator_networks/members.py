"""Who is on a bridge, and the hosts file by which they find each other: one for each bridge, mounted by all.

Floor: plugin.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, field, frozen

from orchestrator.plugin import Host, HostFailed

_LOCAL = (
    ("127.0.0.1", "localhost"),
    ("::1", "localhost ip6-localhost ip6-loopback"),
    ("ff02::1", "ip6-allnodes"),
    ("ff02::2", "ip6-allrouters"),
)
"""What a hosts(5) of a host has of itself."""

_LARGEST = 16 << 20


@frozen(kw_only=True)
class Member:
    """An instance that is on a bridge, or is about to be."""

    names: tuple[str, ...]
    address: str = ""
    """Empty while it has none."""
    pid: int = 0
    started: str = ""
    """The start time of its first process, which tells it from another of that number (proc_pid_stat(5))."""


@frozen(kw_only=True)
class Members:
    """All of a bridge, by instance."""

    subnet: str
    members: Mapping[str, Member] = field(factory=dict)

    def with_member(self, instance: str, member: Member) -> "Members":
        """With one more, or with one that is another now."""
        return evolve(self, members={**self.members, instance: member})

    def without(self, instance: str) -> "Members":
        """With one less."""
        return evolve(self, members={key: each for key, each in self.members.items() if key != instance})

    def to_json(self) -> bytes:
        """As it is written down."""
        members = {
            key: {"names": each.names, "address": each.address, "pid": each.pid, "started": each.started}
            for key, each in self.members.items()
        }
        return json.dumps({"subnet": self.subnet, "members": members}).encode()


class Roll:
    """The members of a bridge as they are written down, below ``folder``. To be used under the bridge's lock."""

    def __init__(self, folder: str, host: Host) -> None:
        self.folder = folder
        self._host = host
        self.hosts = f"{folder}/hosts"

    def read(self) -> Members | None:
        """None where nobody is on it. Raises HostFailed."""
        text = self._host.read_file(f"{self.folder}/members.json", limit=_LARGEST)
        if text is None:
            return None
        try:
            data: Any = json.loads(text)
            members = {key: Member(**{**each, "names": tuple(each["names"])}) for key, each in data["members"].items()}
            return Members(subnet=data["subnet"], members=members)
        except (ValueError, KeyError, TypeError) as error:
            raise HostFailed(f"cannot read {self.folder}/members.json: it is damaged ({error})") from error

    def write(self, members: Members) -> None:
        """Write it down, and have all find each other by name. Raises HostFailed."""
        self._host.write_file(f"{self.folder}/members.json", members.to_json())
        there = [each for each in members.members.values() if each.address and self._lives(each)]
        text = render_hosts(there)
        if self._host.read_file(self.hosts, limit=_LARGEST) != text:
            self._host.rewrite_file(self.hosts, text)

    def remove(self) -> None:
        """Nobody is on it any more. Raises HostFailed."""
        self._host.remove(self.folder)

    def _lives(self, member: Member) -> bool:
        """Whether its first process is there still: of one that was lost sight of nobody may tell its end."""
        return find_start(self._host, member.pid) == member.started


def find_start(host: Host, pid: int) -> str:
    """When a process was started, in ticks since the boot; empty where there is none."""
    try:
        text = host.read_file(f"/proc/{pid}/stat") or b""
    except HostFailed:
        return ""  # it ended in that moment
    fields = text.decode(errors="replace").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def render_hosts(members: Iterable[Member]) -> bytes:
    """A hosts(5) file, sorted by name; of two of one name both are there, and resolvers take the first."""
    lines = [f"{address}\t{names}" for address, names in _LOCAL]
    lines += sorted(f"{each.address}\t{' '.join(each.names)}" for each in members)
    return "".join(f"{line}\n" for line in lines).encode()
