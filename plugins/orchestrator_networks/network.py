"""A network of CNI's as a container is attached to it: what `orchestrator_networks.client` goes by. Floor: plugin."""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from orchestrator_networks.conflist import Conflist


@frozen(kw_only=True)
class Network:
    """A network as a container is attached to it."""

    conflist: Conflist
    interface: str = "eth0"
    arguments: Mapping[str, Any] = field(factory=dict)
    """What plugins are told that want to know, by capability."""
    lasting: bool = True
    """Whether plugins may keep something over a boot of the host."""

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.conflist["name"])

    def to_work(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "conflist": dict(self.conflist),
            "interface": self.interface,
            "arguments": dict(self.arguments),
            "lasting": self.lasting,
        }

    @classmethod
    def from_work(cls, work: Mapping[str, Any]) -> "Network":
        """From what `to_work` has made."""
        return cls(
            conflist=work["conflist"],
            interface=work["interface"],
            arguments=work["arguments"],
            lasting=work["lasting"],
        )
