"""The `path` network: a namespace that stands at a path already, as ip-netns(8) makes them.

Floor: plugin.
"""

from collections.abc import Iterable
from typing import ClassVar

from attrs import frozen

from orchestrator.plugin import (
    AbsolutePath,
    Change,
    Contribution,
    Facts,
    Fault,
    Namespace,
    PathKind,
    PathQuestion,
    Question,
    Use,
    ask_resolv_conf,
    follow_resolv_conf,
    option,
)


@frozen(kw_only=True)
class PathNetwork:
    """A network namespace that stands at a path."""

    type: ClassVar[str] = "path"
    path: AbsolutePath = option(
        doc="Where the namespace stands, as ip-netns(8) makes them: a file of `/run/netns`.",
        change=Change.REPLACE,
        example='"/run/netns/blue"',
    )

    def questions(self) -> Iterable[Question]:
        """What stands there, and what the host's resolv.conf says."""
        return (PathQuestion(self.path), *ask_resolv_conf(own_network=True))

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        """The namespace, which the runtime joins. The path stays as it is written: whoever makes the namespace anew
        makes it there."""
        answer = facts.paths[self.path]
        match answer.kind:
            case PathKind.FILE:
                return Contribution(
                    namespaces=(Namespace("network", self.path),),
                    live=(follow_resolv_conf(facts, own_network=True),),
                )
            case PathKind.MISSING:
                folder, _, name = self.path.rpartition("/")
                why, hint = "no such file or directory", f"ip netns add {name}" if folder == "/run/netns" else ""
            case PathKind.DENIED:
                why, hint = answer.detail, ""
            case _:
                why, hint = "it is no namespace", "write a file of /run/netns"
        return Contribution(faults=(Fault(("path",), f'cannot use "{self.path}": {why}', hint),))
