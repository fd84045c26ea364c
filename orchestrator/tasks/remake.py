"""Makes again what somebody has removed of the agent's two directories: who does that must not make room for a second
agent, nor leave `status` without a word. Floor: tasks.
"""

from collections.abc import Callable, Collection
from typing import Protocol

from attrs import define, field

from orchestrator.ports import OutsideError


class Lockable(Protocol):
    """A lock on a file."""

    def is_held(self) -> bool:
        """Whether the file that stands there is the one that is locked."""
        ...

    def take_again(self) -> None:
        """Lock what stands there now. Raises OutsideError."""
        ...


class Bindable(Protocol):
    """A socket with a name."""

    def is_bound(self) -> bool:
        """Whether it is reached by its name."""
        ...

    def bind_again(self) -> None:
        """Have it reached by its name. Raises OutsideError."""
        ...


@define(kw_only=True)
class Remaking:
    """How it is done; what it is told of is that ``what`` was removed."""

    locks: Collection[Lockable]
    control: Bindable
    is_there: Callable[[], bool]
    """Whether the agent's own file is."""
    make_folders: Callable[[], None]
    write_again: Collection[Callable[[], None]]
    """All that has something written down there."""
    say: Callable[[str], None]
    what: str
    _owed: list[Callable[[], None]] = field(factory=list, init=False)
    """Those of ``write_again`` that could not be done."""

    def make_removed_again(self) -> str:
        """Look, and make it again. Returns why that cannot be, or an empty text."""
        try:
            lost = [lock for lock in self.locks if not lock.is_held()]
            if lost or not self.is_there():
                self.say(f"somebody has removed {self.what}: making them again")
                self.make_folders()
                for lock in lost:
                    lock.take_again()
                self._owed = list(self.write_again)
        except OutsideError as error:
            return str(error)
        owed, self._owed = self._owed, []
        errors = [self._do(write_again, owed=True) for write_again in owed]
        if not self.control.is_bound():
            errors.append(self._do(self.control.bind_again, owed=False))
        return "; ".join(dict.fromkeys(filter(None, errors)))

    def _do(self, do: Callable[[], None], *, owed: bool) -> str:
        """Whatever becomes of the others. owed: nothing shows later that it was not done."""
        try:
            do()
        except OutsideError as error:
            if owed:
                self._owed.append(do)
            return str(error)
        return ""
