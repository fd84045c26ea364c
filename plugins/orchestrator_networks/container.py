"""The `container` network: that of another container, with its interfaces, addresses and ports, loopback included.

Which namespace that is is known only when both run, so that the agent joins it, and starts this one after that one and
again with it, is left to the agent. Floor: plugin.
"""

from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen

from orchestrator.plugin import (
    Change,
    ContainerName,
    Contribution,
    Facts,
    Namespace,
    Question,
    Use,
    ask_resolv_conf,
    follow_resolv_conf,
    option,
)


@frozen(kw_only=True)
class ContainerNetwork:
    """The network namespace of another container."""

    type: ClassVar[str] = "container"

    name: ContainerName = option(
        doc="The container whose network it is. It is required: this one is started once that is ready, stopped before "
        "it, and started again with it, whatever made it end.",
        change=Change.REPLACE,
        example='"db"',
    )

    def questions(self) -> Iterable[Question]:
        """What the host's resolv.conf says."""
        return ask_resolv_conf(own_network=True)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """A namespace whose path is filled in when there is one, and resolv.conf as far as it can be reached there."""
        return Contribution(
            namespaces=(Namespace("network"),),
            live=(follow_resolv_conf(facts, own_network=True),),
            shares_network_of=self.name,
        )
