"""Which instance of a name others can join the namespaces of. Floor: core."""

from attrs import frozen

from orchestrator.model.life import Life, Phase
from orchestrator.model.state import InstanceState


@frozen
class Offer:
    """An instance whose namespaces can be joined: it runs, and nothing was said yet of its end."""

    instance: str
    """Its id."""
    pid: int
    start_time: int
    """As `InstanceState` has them."""


def find_offer(life: Life, instance: InstanceState | None) -> Offer | None:
    """What a name offers. instance: the one that there is now."""
    if instance is None or life.phase is not Phase.RUNNING or instance.exit is not None:
        return None
    if instance.pid is None or instance.pid_start_time is None:
        return None
    return Offer(instance.instance, instance.pid, instance.pid_start_time)
