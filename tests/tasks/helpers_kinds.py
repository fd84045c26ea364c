"""Kinds for the tests of tasks."""

from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen

from orchestrator.plugin import Change, Contribution, Facts, Namespace, PortClaim, Question, Use, option


@frozen(kw_only=True)
class Ports:
    """A network that publishes ports."""

    type: ClassVar[str] = "ports"
    ports: tuple[int, ...] = option(default=(), doc="Some.", change=Change.REPLACE, example="[80]")

    def questions(self) -> Iterable[Question]:
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        claims = (PortClaim(protocol="tcp", port=port, path=("ports", at)) for at, port in enumerate(self.ports))
        return Contribution(namespaces=(Namespace("network"),), claims=tuple(claims))
