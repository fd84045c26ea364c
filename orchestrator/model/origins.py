"""Who contributed a part of a container's config. Floor: model."""

from attrs import frozen

DEFAULT = "default"


@frozen(order=True)
class Explained:
    """A part of a config, and where it comes from."""

    part: str
    """As ``mounts./data``, ``process.env.LANG``, ``process.capabilities.CAP_KILL``."""
    key: str = ""
    """The key of the definition that it is there for, dotted; empty where no key asks for it."""
    by: str = ""
    """Who made it of that: a kind with its origin, a file of the host, or ``default``; empty where the key says it."""

    def __str__(self) -> str:
        if not self.key:
            return self.by
        return f"{self.key} ({self.by})" if self.by else self.key
