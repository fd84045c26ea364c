"""Live updates: an instance that runs gets the limits that are wanted, one update at a time. Floor: tasks."""

import trio

from orchestrator.core.naming import CANNOT_UPDATE
from orchestrator.model.action import Target
from orchestrator.ports import OutsideError
from orchestrator.tasks.instance import LiveInstance
from orchestrator.tasks.messages import Message, Updated


class LiveUpdates:
    """The updates of one name. Each answers with an `Updated` into the supervision's mailbox."""

    def __init__(self, mailbox: trio.MemorySendChannel[Message]) -> None:
        self._mailbox = mailbox
        self._refused: Updated | None = None
        self._again = False
        self.under_way = False
        """An update has not answered yet."""

    @property
    def refusal(self) -> str:
        """Why what is wanted does not hold, or empty."""
        return f"{CANNOT_UPDATE}{self._refused.message}" if self._refused is not None else ""

    def forget(self) -> None:
        """What was refused may be tried again: there is another target, or another instance."""
        self._refused = None

    def try_again(self) -> None:
        """What was refused is to be tried once more; until then it stays refused."""
        self._again = True

    def begin_if_due(self, live: LiveInstance, target: Target, nursery: trio.Nursery) -> None:
        """Begin one if the limits of ``live``, which runs, are not those of ``target`` and were not refused."""
        if self.under_way or live.state.bundle != target.bundle.digest:
            return  # of another bundle the next instance begins with them
        refused = self._refused is not None and self._refused.resources == target.resources
        if live.holds(target.resources) or (refused and not self._again):
            return
        self.under_way, self._again = True, False
        nursery.start_soon(self._update, live, target)

    def note(self, updated: Updated, live: LiveInstance | None) -> None:
        """Hear an answer. ``live``: the instance that there is now, which may be another."""
        self.under_way = False
        if live is not None and live.state.instance == updated.instance:
            self._refused = updated if updated.message else None

    async def _update(self, live: LiveInstance, target: Target) -> None:
        message = ""
        try:
            await live.update(target)
        except OutsideError as error:
            message = str(error)
        self._mailbox.send_nowait(Updated(live.state.instance, target.resources, message))
