"""The network namespace of another container, which an instance joins when the runtime creates it. Floor: tasks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from orchestrator.model.bundle import Instance
from orchestrator.ports import NetworkGone, OutsideError
from orchestrator.tasks.outside import Outside


@contextmanager
def hold_shared_network(instance: Instance, outside: Outside, note: Callable[[str], None]) -> Iterator[None]:
    """Have `Instance.joins` lead to the namespace of whoever the container shares it with, until this is left; nothing
    where it shares none.

    Which instance that is is known only now: it may be another than when this one was built, beside it. note: writes
    its id down before it can be joined, since whoever looks after this one has to know whose end is its own. Raises
    OutsideError.
    """
    name = instance.bundle.shares_network_of
    if not name:
        yield
        return
    offer = outside.order.find_offer(name)
    if offer is None:
        raise OutsideError(f"cannot join the network of {name}: it does not run")
    note(offer.instance)
    with ExitStack() as held:
        try:
            held.enter_context(outside.networks.hold(offer.pid, offer.start_time, instance.joins))
        except NetworkGone as error:
            raise OutsideError(f"cannot join the network of {name}: it has just ended") from error
        yield
