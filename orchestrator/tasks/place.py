"""One supervision's place in the order of the names: what it tells of itself, and what its turn is. Floor: tasks."""

from orchestrator.core.lifecycle import Event
from orchestrator.core.order import choose_event
from orchestrator.model.action import Action, Hold, Keep, Stop
from orchestrator.model.life import Life
from orchestrator.model.spec import Policy
from orchestrator.model.state import InstanceState
from orchestrator.tasks.mailbox import Mailbox
from orchestrator.tasks.messages import InTurn
from orchestrator.tasks.order import Order


class Place:
    """The place of one name. A change of its turn comes to the mailbox as `InTurn`."""

    def __init__(self, name: str, order: Order, mailbox: Mailbox) -> None:
        self._name = name
        self._order = order
        self._mailbox = mailbox
        self._leaves = False
        """It has heard that it is to be halted, and others are to end before."""
        order.join(name, lambda: mailbox.send.send_nowait(InTurn()))

    def tell(self, action: Action) -> None:
        """The name is about to be told an action: what follows for others follows at once."""
        self._order.tell(self._name, action)

    def obey(self, action: Action) -> None:
        """It has heard an action, and does it now."""
        if not isinstance(action, Keep):
            self._leaves = isinstance(action, Hold | Stop)

    def note(self, life: Life, policy: Policy | None, *, valid: bool, instance: InstanceState | None = None) -> None:
        """How it stands after what it did. valid: there is a definition that could be run. instance: the one that there
        is now."""
        heard = not self._mailbox.has_more
        self._order.note(self._name, life, policy, valid=valid, heard=heard, instance=instance)

    def take_turn(self, life: Life, *, hurried: bool) -> Event | None:
        """What it may do now by its turn, or is to do; the turn is taken then. hurried: it waits for nobody's end."""
        event = choose_event(life, self._order.turn(self._name), leaves=self._leaves, hurried=hurried)
        if event is Event.HALT:
            self._leaves = False
        if event is Event.UNBLOCKED:
            self._order.give_up(self._name)
        return event

    def leave(self) -> None:
        """The name is gone."""
        self._order.leave(self._name)
