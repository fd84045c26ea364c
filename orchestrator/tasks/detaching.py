"""Undoes what plugin kinds have done on the host for an instance. Floor: tasks."""

from orchestrator.model.state import InstanceState
from orchestrator.ports import Attacher, OutsideError


async def undo_attached(state: InstanceState, attacher: Attacher) -> None:
    """Undo what kinds have begun for an instance that is gone, the last first. Raises OutsideError for the first that
    fails, when all have been tried."""
    failed: OutsideError | None = None
    for each in reversed(state.attached):
        if each.begun:
            try:
                await attacher.detach(each, state.name, state.instance)
            except OutsideError as error:
                failed = failed or error
    if failed is not None:
        raise failed
