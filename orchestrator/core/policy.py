"""From a definition to the agent's own policy, with nothing left to decide. Floor: core."""

from attrs import evolve

from orchestrator.core.output import log_bound
from orchestrator.model.definition import Definition
from orchestrator.model.policy import ContainerType, OnExit, OnFailedUpdate, Ready
from orchestrator.model.spec import Policy


def choose_policy(definition: Definition, shares_network_of: str = "") -> Policy:
    """What only the agent uses of a definition, the defaults that depend on other fields chosen. shares_network_of: the
    container whose network namespace it joins, if it does: it requires that."""
    oneshot = definition.type is ContainerType.ONESHOT
    on_success = definition.restart.on_success or (OnExit.STOP if oneshot else OnExit.RESTART)
    waits = definition.ready is not Ready.STARTED
    requires = frozenset(filter(None, (*definition.requires, shares_network_of)))
    return Policy(
        oneshot=oneshot,
        restart=evolve(definition.restart, on_success=on_success),
        stop=definition.stop,
        log_bound=log_bound(definition.log),
        health=definition.health,
        ready=definition.ready,
        start_timeout=definition.start_timeout,
        watchdog=definition.watchdog,
        after=tuple(sorted({*definition.after} - requires)),
        requires=tuple(sorted(requires)),
        exclusive=definition.exclusive,
        shares_network_of=shares_network_of,
        on_failed_update=definition.on_failed_update or (OnFailedUpdate.ROLLBACK if waits else OnFailedUpdate.RETRY),
    )
