"""Kinds of mount and network for the tests of the parser: they add nothing, only their options matter."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from attrs import frozen

from orchestrator.plugin import (
    AbsolutePath,
    Change,
    Contribution,
    Duration,
    Facts,
    Group,
    Question,
    Registry,
    Size,
    Use,
    option,
)


class _Kind:
    def questions(self) -> Iterable[Question]:
        return ()

    def contribute(self, use: Use, facts: Facts) -> Contribution:
        return Contribution()


@frozen(kw_only=True)
class BindLike(_Kind):
    """A mount with a required option."""

    source: AbsolutePath = option(doc="Where from.", change=Change.REPLACE, example='"/srv/data"')
    options: tuple[str, ...] = option(default=(), doc="More.", change=Change.REPLACE, example='["ro"]')


@frozen(kw_only=True)
class TmpfsLike(_Kind):
    """A mount without required options."""

    size: Size | None = option(default=None, doc="How large.", change=Change.REPLACE, minimum=4096, example='"1M"')


@frozen(kw_only=True)
class Bare(_Kind):
    """A network without options."""


class Mode(StrEnum):
    """An enum that is a string as well: cattrs would find the hook of str for it."""

    FAST = "fast"
    SAFE = "safe"


@frozen(kw_only=True)
class Port:
    """A table inside a kind."""

    host: int = option(doc="Outside.", change=Change.REPLACE, minimum=1, maximum=65535, example="8080")
    container: int = option(default=80, doc="Inside.", change=Change.REPLACE, minimum=1, maximum=65535, example="80")


@frozen(kw_only=True)
class BridgeLike(_Kind):
    """A network with every type of option that a kind may have."""

    name: str = option(doc="Which.", change=Change.REPLACE, example='"lan"')
    mode: Mode = option(default=Mode.FAST, doc="How.", change=Change.REPLACE, example='"safe"')
    ports: tuple[Port, ...] = option(default=(), doc="Published.", change=Change.REPLACE, example="[{ host = 8080 }]")
    labels: Mapping[str, int] = option(factory=dict, doc="Free.", change=Change.REPLACE, example="{ a = 1 }")
    ratio: float = option(default=1.0, doc="A part.", change=Change.REPLACE, minimum=0.0, example="0.5")
    wait: Duration | None = option(default=None, doc="How long.", change=Change.REPLACE, maximum=60.0, example='"1s"')
    strict: bool = option(default=False, doc="Whether.", change=Change.REPLACE, example="true")

    def __attrs_post_init__(self) -> None:
        if self.strict and self.mode is Mode.FAST:
            raise ValueError('strict needs mode = "safe"')


REGISTRY = Registry(
    {
        Group.MOUNTS: {"bind": BindLike, "tmpfs": TmpfsLike},
        Group.NETWORKS: {"none": Bare, "host": Bare, "bridge": BridgeLike},
    }
)
