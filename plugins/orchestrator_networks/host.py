"""The `host` network: the host's own interfaces, addresses and ports, without a namespace between.

Floor: plugin.
"""

from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen

from orchestrator.plugin import Contribution, Facts, Question, Use, ask_resolv_conf, follow_resolv_conf


@frozen(kw_only=True)
class HostNetwork:
    """The host's own network."""

    type: ClassVar[str] = "host"

    def questions(self) -> Iterable[Question]:
        """What the host's resolv.conf says: its resolver is reached from inside, wherever it listens."""
        return ask_resolv_conf(own_network=False)

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """No namespace: where none is named, the runtime makes none. resolv.conf follows the host's."""
        return Contribution(live=(follow_resolv_conf(facts, own_network=False),))
