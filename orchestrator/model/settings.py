"""What the command line decides of an agent. Floor: model."""

from attrs import frozen


@frozen(kw_only=True)
class Settings:
    """Paths are absolute."""

    config: str
    state: str
    run: str
    runtime: str = "auto"
    once: bool = False
    leave: bool = True
    """Whether containers go on when the agent ends."""
