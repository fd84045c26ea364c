"""The instance that is to follow one that runs: made before the old one is asked to end. Floor: tasks.

What can fail for want of room on a disk, or of a runtime, fails while the old one still runs, so an edit never costs a
container that nothing can take the place of.
"""

from orchestrator.model.action import Target
from orchestrator.ports import OutsideError
from orchestrator.tasks.instance import LiveInstance
from orchestrator.tasks.outside import Outside


class Successor:
    """At most one instance that has been built and not created."""

    def __init__(self, name: str, outside: Outside) -> None:
        self._name = name
        self._outside = outside
        self._target: Target | None = None
        self._live: LiveInstance | None = None
        self._discarded: list[LiveInstance] = []

    @property
    def bundle(self) -> str | None:
        """The digest of its bundle."""
        return self._live.state.bundle if self._live is not None else None

    def build(self, target: Target) -> None:
        """Build the one for ``target``, in place of any other, while another runs. Raises OutsideError; then there is
        none, also where it could not be created."""
        self.drop()
        self._outside.runtime.check_program()
        self._build(target, 0)

    def _build(self, target: Target, restarts: int) -> None:
        live = LiveInstance.from_target(self._name, target, restarts, self._outside)
        try:
            live.build()
        except OutsideError:
            self._discard(live)
            raise
        self._target, self._live = target, live

    def take(self, target: Target, restarts: int) -> LiveInstance:
        """The one for ``target``, which is the caller's from now on: that which was built, or one that is built here.

        Raises OutsideError.
        """
        if self._live is None or self._target != target:
            self.drop()
            self._build(target, restarts)
        live = self._live
        assert live is not None, "build makes it or raises"
        self._target = self._live = None
        return live

    def drop(self) -> None:
        """Give up the one that was built, if any."""
        live = self._live
        self._target = self._live = None
        if live is not None:
            self._discard(live)
            self._outside.sweep()

    def clear(self) -> None:
        """Remove what could not be removed when it was given up. Raises OutsideError if it still cannot."""
        while self._discarded:
            self._outside.disk.remove_instance(self._discarded[-1].state.instance)
            self._discarded.pop()

    def _discard(self, live: LiveInstance) -> None:
        self._discarded.append(live)
        try:
            self.clear()
        except OutsideError as error:
            self._outside.report.say(f"{self._name}: {error}")
