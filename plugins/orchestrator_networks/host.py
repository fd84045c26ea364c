"""The `host` network: the host's own interfaces, addresses and ports, without a namespace between.

Floor: plugin.
"""

from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen

from orchestrator.plugin import Contribution, Facts, Question, Use


@frozen(kw_only=True)
class HostNetwork:
    """The host's own network."""

    type: ClassVar[str] = "host"

    def questions(self) -> Iterable[Question]:
        """Nothing."""
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """Nothing: where no network namespace is named, the runtime makes none."""
        return Contribution()
