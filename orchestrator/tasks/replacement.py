"""The change from the instance that runs to the one that is wanted: what has to go well before the old one is asked to
end, and why that is put off. Floor: tasks.
"""

from orchestrator.core.naming import PUT_OFF
from orchestrator.model.action import Target
from orchestrator.ports import OutsideError
from orchestrator.tasks.effects import Effects


class Replacement:
    """The one of a name. What cannot be made ready costs nothing that runs."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self.put_off = ""
        """Why the replacement that is wanted has not begun: the old one runs meanwhile."""
        self._anew = False

    @property
    def message(self) -> str:
        """The same for people."""
        return f"{PUT_OFF}{self.put_off}" if self.put_off else ""

    def want_anew(self) -> None:
        """Another instance is wanted, though what runs may be what it is to be: an operator's word."""
        self._anew = True

    def is_due(self, target: Target) -> bool:
        """Whether what there is is another than ``target``, or another one is wanted all the same."""
        return self._anew or not self._effects.is_made_from(target)

    def prepare(self, target: Target, *, runs: bool) -> bool:
        """Make the new instance ready; whether what there is may be replaced now. runs: whether it runs."""
        self.put_off = ""
        if runs and self._effects.is_made_from(target) and not self._anew:
            # An edit that was put off has been taken back.
            self._effects.successor.drop()
            self._effects.current.retune(target)
            return False
        if runs:
            try:
                self._effects.successor.build(target)
            except OutsideError as error:
                self.put_off = str(error)
                return False
        self._anew = False
        return True

    def drop(self) -> None:
        """None is wanted any more."""
        self.forget()
        self._effects.successor.drop()

    def forget(self) -> None:
        """What was to be replaced is gone."""
        self.put_off, self._anew = "", False
