"""Waiting for the agent to write down something else: the state files are watched, also before there are any.

Reading them is for `states`. Floor: system.
"""

from orchestrator.model.layout import Layout
from orchestrator.ports import OutsideError
from orchestrator.system.closing import Closing
from orchestrator.system.inotify import Inotify
from orchestrator.system.links import walk_links
from orchestrator.system.watches import Wanted, Watches


class StatesUnwatchable(OutsideError):
    """The way to the state files cannot be watched."""


class StateWatch(Closing):
    """A watch on the names' files and the agent's. Close it when done; it is a context manager too. Raises
    NoWatchesLeft."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._inotify = Inotify()
        self._watches = Watches(self._inotify)

    async def wait_changed(self) -> None:
        """Return when a state file may be another since this was called last; the first time at once.
        Cancellation-safe. Raises StatesUnwatchable."""
        while self._arm():
            if self._watches.matter(await self._inotify.wait()):
                return

    def close(self) -> None:
        """Give up the watches. May be called twice."""
        self._inotify.close()

    def _arm(self) -> bool:
        """Watch the ways to the files. Returns whether all was watched before, so that nothing can have been missed."""
        wanted = Wanted()
        names = walk_links(self._layout.names)
        wanted.add_chain(names)
        if names.end is not None:
            wanted.add_suffixes(names.end, (".json",))
        wanted.add_chain(walk_links(self._layout.agent))
        armed = self._watches.arm(wanted)
        if armed.failure:
            raise StatesUnwatchable(f"cannot watch the state files in {self._layout.run}: {armed.failure}")
        return armed.steady
