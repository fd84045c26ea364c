"""The `none` network: a network of the container's own in which there is a loopback and nothing else. The default.

Floor: plugin.
"""

from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen

from orchestrator.plugin import Contribution, Facts, Namespace, Question, Use


@frozen(kw_only=True)
class NoNetwork:
    """A loopback only; the runtime brings it up."""

    type: ClassVar[str] = "none"

    def questions(self) -> Iterable[Question]:
        """Nothing."""
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """A new network namespace (network_namespaces(7))."""
        return Contribution(namespaces=(Namespace("network"),))
